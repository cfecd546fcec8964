"""Django with its default mail settings, but for host and port."""
import os

from django.conf import settings
from django.core.mail import send_mail

settings.configure(EMAIL_HOST=os.environ["SMTP_HOST"], EMAIL_PORT=int(os.environ["SMTP_PORT"]))
send_mail(os.environ["SUBJECT"], "Your code is 123456", "shop@example.org", ["ann@example.org"])
