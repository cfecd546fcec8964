import java.util.Properties;
import javax.mail.Message;
import javax.mail.Session;
import javax.mail.Transport;
import javax.mail.internet.InternetAddress;
import javax.mail.internet.MimeMessage;

/** JavaMail with its defaults. */
public class SendMail {
    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.put("mail.smtp.host", System.getenv("SMTP_HOST"));
        properties.put("mail.smtp.port", System.getenv("SMTP_PORT"));
        MimeMessage message = new MimeMessage(Session.getInstance(properties));
        message.setFrom(new InternetAddress("shop@example.org"));
        message.addRecipient(Message.RecipientType.TO, new InternetAddress("ann@example.org"));
        message.setSubject(System.getenv("SUBJECT"));
        message.setText("Your code is 123456");
        Transport.send(message);
    }
}
