/**
 * What Converse.js waits for although a server may not have it.
 *
 * Without a block list (XEP-0191) it never opens a chat with somebody outside of the roster: it waits for a list that it
 * does not ask for. An empty one is given where the server announces none.
 */

const NS_BLOCKING = "urn:xmpp:blocking";

export function provideBlocklist(_converse) {
  const { api } = _converse;
  api.listen.on("discoInitialized", async () => {
    if (await api.disco.supports(NS_BLOCKING, _converse.session.get("domain"))) {
      return;
    }
    class EmptyBlocklist extends _converse.exports.Blocklist {
      async fetchBlocklist() {} // announces itself when this is done
    }
    _converse.state.blocklist = new EmptyBlocklist();
  });
}
