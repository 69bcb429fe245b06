package ducat;

import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Drives a running ducat with the official Java library, as a merchant's program would. The list of
 * scenarios, shared with the other languages, is in ../SCENARIOS.md. The property {@code scenarios}
 * names those to run, separated by spaces; without it, all are.
 */
class ScenariosTest {
  private static final int AT_ONCE = 8;

  private static Path dir;
  private static Path own; // the database of the server that is restarted
  private static Ducat ducat;
  private static ExecutorService threads;

  @BeforeAll
  static void serve() throws Exception {
    dir = Ducat.database();
    own = Ducat.database();
    ducat = new Ducat(dir);
    threads = Executors.newFixedThreadPool(AT_ONCE);
  }

  @AfterAll
  static void stop() throws Exception {
    try {
      if (threads != null) threads.shutdownNow();
      if (ducat != null) System.out.println(ducat.stop());
    } finally {
      Ducat.remove(dir);
      Ducat.remove(own);
    }
  }

  private interface Scenario {
    void run() throws Exception;
  }

  /** All scenarios by name: every method that takes a world, and the one that has a server's life in its hands. */
  private static Map<String, Scenario> known() {
    Map<String, Scenario> known = new TreeMap<>();
    for (Class<?> group : List.of(Payment.class, Money.class, Api.class, Platform.class, Intents.class)) {
      Arrays.stream(group.getDeclaredMethods())
          .filter(method -> !method.isSynthetic() && Arrays.equals(method.getParameterTypes(), new Class<?>[] {World.class}))
          .filter(method -> method.getReturnType() == void.class)
          .forEach(method -> known.put(name(method), () -> inWorld(method)));
    }
    known.put("restart", () -> Restart.restart(own));
    return known;
  }

  private static String name(Method method) {
    return method.getName().replaceAll("([A-Z])", "-$1").toLowerCase(Locale.ROOT);
  }

  private static void inWorld(Method method) throws Exception {
    try (World w = new World(ducat.url)) {
      method.invoke(null, w);
    }
  }

  /** Starts the scenarios side by side; each test waits for one of them. */
  @TestFactory
  List<DynamicTest> scenarios() {
    Map<String, Scenario> known = known();
    String chosen = System.getProperty("scenarios", "");
    List<String> names = chosen.isEmpty() ? List.copyOf(known.keySet()) : List.of(chosen.split(" "));
    return names.stream().map(name -> {
      Scenario scenario = known.get(name);
      if (scenario == null) throw new IllegalArgumentException("no such scenario: " + name);
      Future<?> running = threads.submit(() -> {
        scenario.run();
        return null;
      });
      return dynamicTest(name, () -> finish(name, running));
    }).toList();
  }

  private static void finish(String name, Future<?> running) throws Throwable {
    try {
      running.get(5 * Ducat.PATIENCE, TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      Throwable cause = e.getCause() instanceof InvocationTargetException ? e.getCause().getCause() : e.getCause();
      throw new AssertionError(name + ": " + cause.getMessage() + "\nwhat the server said beside its request log:\n" + ducat.log(), cause);
    }
    String ran = System.getenv("DUCAT_RAN");
    if (ran != null) Files.writeString(Path.of(ran), name + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
  }
}
