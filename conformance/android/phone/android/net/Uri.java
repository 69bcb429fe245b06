package android.net;

import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;

/** An address, as far as the library looks into it. */
public final class Uri {
  private final String text;

  private Uri(String text) {
    this.text = text;
  }

  public static Uri parse(String text) {
    return new Uri(text);
  }

  public String getLastPathSegment() {
    return text.substring(text.lastIndexOf('/') + 1);
  }

  public String getQueryParameter(String name) {
    String query = URI.create(text).getRawQuery();
    for (String pair : query == null ? new String[0] : query.split("&")) {
      if (pair.startsWith(name + "=")) return URLDecoder.decode(pair.substring(name.length() + 1), StandardCharsets.UTF_8);
    }
    return null;
  }

  @Override
  public String toString() {
    return text;
  }
}
