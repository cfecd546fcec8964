"""Python's smtplib with bytes, whose line ends it sends as they are: LF, and a dot at the start of a line doubled."""
import os
import smtplib
from email.message import EmailMessage

message = EmailMessage()
message["From"] = "shop@example.org"
message["To"] = "ann@example.org"
message["Subject"] = os.environ["SUBJECT"]
message.set_content("Your code is 123456")
content = os.environ["MESSAGE"].encode() if "MESSAGE" in os.environ else message.as_bytes()
with smtplib.SMTP(os.environ["SMTP_HOST"], int(os.environ["SMTP_PORT"])) as server:
    server.sendmail("shop@example.org", ["ann@example.org"], content)
