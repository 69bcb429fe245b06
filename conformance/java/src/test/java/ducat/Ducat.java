package ducat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Comparator;
import java.util.Deque;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Starts and stops the program under test. */
final class Ducat {
  /** Bounds every wait, in seconds. Nothing is expected to take this long. */
  static final long PATIENCE = 60;

  private static final String READY = "ready url=";

  final String url;
  private final String bin;
  private final Path dir; // where the database is
  private final String db;
  private final Process process;
  private final Deque<String> noise = new ArrayDeque<>();

  /** Runs the program on the database in a directory, which is made there if need be. */
  Ducat(Path dir) throws Exception {
    String named = System.getenv("DUCAT_BIN");
    bin = named == null || named.isEmpty() ? "../../bin/ducat" : named;
    this.dir = dir;
    db = "sqlite:" + dir.resolve("ducat.db");
    process = new ProcessBuilder(bin, "serve", "--listen", "127.0.0.1:0", "--db", db).start();
    process.getOutputStream().close();
    CompletableFuture<String> ready = new CompletableFuture<>();
    read(process.inputReader(StandardCharsets.UTF_8), line -> {
      if (line.startsWith(READY)) ready.complete(line.substring(READY.length()).trim());
    }, () -> ready.completeExceptionally(new IOException("standard output ended")));
    read(process.errorReader(StandardCharsets.UTF_8), line -> {
      if (line.contains("level=INFO msg=request ")) return;
      synchronized (noise) {
        noise.add(line);
        if (noise.size() > 100) noise.remove();
      }
    }, () -> {});
    try {
      url = ready.get(PATIENCE, TimeUnit.SECONDS);
    } catch (ExecutionException | TimeoutException e) {
      end();
      throw new AssertionError("ducat serve did not say “ready url=…”\n" + log(), e);
    }
  }

  interface Line {
    void read(String line);
  }

  /** Has a function called with each line of a stream, and another one when it ends. */
  static void read(BufferedReader from, Line to, Runnable end) {
    Thread thread = new Thread(() -> {
      try (from) {
        for (String line; (line = from.readLine()) != null; ) to.read(line);
      } catch (IOException e) {
        // The process is gone.
      } finally {
        end.run();
      }
    });
    thread.setDaemon(true);
    thread.start();
  }

  /** What the server said beside its request log. */
  String log() {
    synchronized (noise) {
      return String.join("\n", noise);
    }
  }

  /** Ends the server as an operator would, and has the books checked. */
  String stop() throws Exception {
    try {
      process.destroy(); // SIGTERM
      if (!process.waitFor(PATIENCE, TimeUnit.SECONDS)) {
        throw new AssertionError("ducat serve did not stop on SIGTERM\n" + log());
      }
      if (process.exitValue() != 0) {
        throw new AssertionError("ducat serve ended with " + process.exitValue() + "\n" + log());
      }
      Path said = dir.resolve("verify.txt");
      Process verify = new ProcessBuilder(bin, "verify", "--db", db)
          .redirectErrorStream(true).redirectOutput(said.toFile()).start();
      if (!verify.waitFor(PATIENCE, TimeUnit.SECONDS)) {
        verify.destroyForcibly();
        throw new AssertionError("ducat verify does not end\n" + Files.readString(said));
      }
      if (verify.exitValue() != 0) {
        throw new AssertionError("ducat verify ended with " + verify.exitValue() + "\n" + Files.readString(said));
      }
      return Files.readString(said).trim();
    } finally {
      end();
    }
  }

  private void end() throws Exception {
    process.destroyForcibly().waitFor();
  }

  /** Makes an empty directory. */
  static Path database() throws IOException {
    return Files.createTempDirectory("ducat-conformance-");
  }

  /** Removes a directory. */
  static void remove(Path dir) throws IOException {
    try (var files = Files.walk(dir)) {
      files.sorted(Comparator.reverseOrder()).forEach(file -> {
        try {
          Files.delete(file);
        } catch (IOException e) {
          throw new UncheckedIOException(e);
        }
      });
    }
  }
}
