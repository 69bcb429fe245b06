package ducat;

import java.io.BufferedReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.concurrent.TimeUnit;

/** The program under test, over HTTP and HTTPS, its books checked when it is closed. */
final class Server implements AutoCloseable {
  private static final long PATIENCE = 60; // seconds

  final String url;
  final String secure;
  final Path authority;
  private final String bin = System.getenv("DUCAT_BIN");
  private final Path dir = Files.createTempDirectory("ducat-conformance-");
  private final Process process;

  Server() throws Exception {
    Path tls = dir.resolve("tls");
    process = new ProcessBuilder(bin, "serve", "--db", "sqlite:" + dir.resolve("ducat.db"), "--listen", "127.0.0.1:0",
        "--tls", "--tls-listen", "127.0.0.1:0", "--tls-dir", tls.toString()).redirectError(dir.resolve("log").toFile()).start();
    String found = "", foundSecure = "";
    BufferedReader said = process.inputReader();
    for (String line; found.isEmpty() && (line = said.readLine()) != null; ) {
      if (line.contains("https://127.0.0.1:")) foundSecure = line.replaceAll(".*(https://127\\.0\\.0\\.1:\\d+).*", "$1");
      if (line.startsWith("ready url=")) found = line.substring("ready url=".length()).trim();
    }
    if (found.isEmpty() || foundSecure.isEmpty()) throw new AssertionError("ducat serve did not say where it is\n" + Files.readString(dir.resolve("log")));
    url = found;
    secure = foundSecure;
    authority = tls.resolve("ca.pem");
  }

  @Override
  public void close() throws Exception {
    process.destroy();
    if (!process.waitFor(PATIENCE, TimeUnit.SECONDS)) process.destroyForcibly();
    Process verify = new ProcessBuilder(bin, "verify", "--db", "sqlite:" + dir.resolve("ducat.db")).redirectErrorStream(true)
        .redirectOutput(dir.resolve("verified").toFile()).start();
    if (!verify.waitFor(PATIENCE, TimeUnit.SECONDS) || verify.exitValue() != 0) {
      throw new AssertionError("the books do not balance\n" + Files.readString(dir.resolve("verified")));
    }
    System.out.println(Files.readString(dir.resolve("verified")).trim());
    try (var files = Files.walk(dir)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) Files.delete(file);
    }
  }
}
