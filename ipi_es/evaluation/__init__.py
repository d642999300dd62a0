"""How well attacks are told from real events: one protocol, the product and three references measured alike."""
