package ducat;

import static ducat.World.HOUR;
import static ducat.World.dial;
import static ducat.World.header;
import static ducat.World.keyed;
import static ducat.World.order;
import static ducat.World.pay;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.stripe.model.Refund;
import com.stripe.model.Source;
import java.nio.file.Path;

/** Nothing is lost when the server is stopped and started. */
final class Restart {
  static void restart(Path dir) throws Exception {
    Ducat ducat = new Ducat(dir);
    try (World before = new World(ducat.url)) {
      Source pending = before.source(order());
      Source chargeable = before.authorized(order());
      Source first = before.server.sources().create(order().build(), keyed("before"));
      Refund re = World.refund(before, before.charged(), 100L);
      long balance = before.balance();
      ducat.stop();

      ducat = new Ducat(dir);
      World w = before.at(ducat.url);
      assertEquals(balance, w.balance());
      Source second = w.server.sources().create(order().build(), keyed("before"));
      assertEquals(first.getId(), second.getId());
      assertEquals("true", header(second.getLastResponse(), "Idempotent-Replayed"));
      assertEquals("succeeded", w.charge(chargeable).getStatus());
      pay(w.server.sources().retrieve(pending.getId()), "authorize");
      w.advance(2);
      w.hooks.await("source.chargeable", pending.getId());
      w.advance(600);
      assertEquals("succeeded", w.server.refunds().retrieve(re.getId()).getStatus());
      w.advance(6 * HOUR);
      w.hooks.await("source.canceled", pending.getId());
    } finally {
      ducat.stop();
    }
  }
}
