package ducat;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.stripe.model.Event;
import com.stripe.model.StripeObject;
import com.stripe.net.Webhook;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Predicate;

/** A merchant's webhook endpoint, which checks every signature. */
final class Receiver implements AutoCloseable {
  /** A delivery: the event, the body as it came, its signature. */
  record Delivery(Event event, String body, String signature) {
    /** The object of the event, which the library reads only in its own version. */
    StripeObject object() {
      return event.getDataObjectDeserializer().getObject()
          .orElseThrow(() -> new AssertionError("the library does not read the object of " + body));
    }

    JsonObject json() {
      return JsonParser.parseString(body).getAsJsonObject().getAsJsonObject("data").getAsJsonObject("object");
    }
  }

  interface Handler<T> {
    T handle(Event event) throws Exception;
  }

  final String url;
  volatile String secret = "";
  private final HttpServer server;
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final Map<String, Handler<?>> handlers = new ConcurrentHashMap<>();
  private final AtomicReference<CompletableFuture<Void>> outage = new AtomicReference<>();
  private final List<Delivery> deliveries = new ArrayList<>();
  private final List<String> failures = new ArrayList<>();

  Receiver() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(threads);
    server.createContext("/webhooks", this::receive);
    server.start();
    url = "http://127.0.0.1:" + server.getAddress().getPort() + "/webhooks";
  }

  private void receive(HttpExchange exchange) throws IOException {
    try (exchange) {
      String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
      String signature = exchange.getRequestHeaders().getFirst("Stripe-Signature");
      int status = 200;
      try {
        Event event = Webhook.constructEvent(body, signature, secret);
        String type = exchange.getRequestHeaders().getFirst("Content-Type");
        if (type == null || !type.startsWith("application/json")) throw new IOException("content type " + type);
        CompletableFuture<Void> down = outage.getAndSet(null);
        if (down != null) {
          exchange.sendResponseHeaders(500, -1);
          down.complete(null);
          return;
        }
        Handler<?> handler = handlers.remove(event.getType());
        if (handler != null) handler.handle(event);
        synchronized (this) {
          deliveries.add(new Delivery(event, body, signature));
          notifyAll();
        }
      } catch (Exception | AssertionError e) {
        status = 400;
        synchronized (this) {
          failures.add(e + " " + signature + "\n" + body);
          notifyAll();
        }
      }
      exchange.sendResponseHeaders(status, -1);
    }
  }

  /**
   * Has a function called inside the handler of the next event of a type, before the delivery is
   * acknowledged, and completes with what it gave.
   */
  <T> CompletableFuture<T> handle(String type, Handler<T> handler) {
    CompletableFuture<T> given = new CompletableFuture<>();
    handlers.put(type, event -> {
      try {
        T value = handler.handle(event);
        given.complete(value);
        return value;
      } catch (Exception | AssertionError e) {
        given.completeExceptionally(e);
        throw e;
      }
    });
    return given;
  }

  /** Has the next delivery answered with 500, and completes when it was. */
  CompletableFuture<Void> outage() {
    CompletableFuture<Void> down = new CompletableFuture<>();
    outage.set(down);
    return down;
  }

  synchronized List<String> types() {
    return deliveries.stream().map(d -> d.event().getType()).toList();
  }

  /** The first delivery of a type whose object has the id. */
  Delivery await(String type, String id) throws InterruptedException {
    return await(type, id, object -> true);
  }

  synchronized Delivery await(String type, String id, Predicate<JsonObject> match) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(Ducat.PATIENCE);
    for (int seen = 0; ; ) {
      if (!failures.isEmpty()) throw new AssertionError("a delivery was not accepted: " + failures.get(0));
      for (; seen < deliveries.size(); seen++) {
        Delivery d = deliveries.get(seen);
        if (d.event().getType().equals(type)) {
          JsonObject object = d.json();
          if (object.get("id").getAsString().equals(id) && match.test(object)) return d;
        }
      }
      long left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
      if (left <= 0) {
        throw new AssertionError("delivery of " + type + " for " + id + ": not within " + Ducat.PATIENCE
            + " seconds; came: " + types());
      }
      wait(left);
    }
  }

  @Override
  public void close() {
    server.stop(0);
    threads.shutdown();
    synchronized (this) {
      if (!failures.isEmpty()) throw new AssertionError("deliveries that were not accepted: " + failures);
    }
  }
}
