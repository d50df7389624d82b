"""The replicated log without a messenger on it, beside other replicated logs."""
