package android.util;

/** A log that nobody reads. */
public final class Log {
  public static int d(String tag, String message) {
    return 0;
  }
}
