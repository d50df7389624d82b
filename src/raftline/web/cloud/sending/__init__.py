"""
What numbers send: `POST /P/messages`.

    requests.py     shapes of the bodies
    drafts.py       what a message says, whoever it goes to, and its XML
    plain.py        text, location, contacts, reaction
    files.py        image, video, audio, document, sticker
    interactive.py  buttons, lists, and what else asks for something
    templates.py    stored templates with their parameters
    composing.py    from a body to a draft, by its type
    reading.py      messages read, and typing
    messages.py     the endpoint: to whom, under which key, and what comes of it
    groups.py       to groups
"""
