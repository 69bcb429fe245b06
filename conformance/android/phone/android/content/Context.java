package android.content;

import java.io.File;

/** An app of which only its name is known. */
public class Context {
  public Context getApplicationContext() {
    return this;
  }

  public File getCacheDir() {
    return new File(System.getProperty("java.io.tmpdir"));
  }

  public String getPackageName() {
    return "com.example.shop";
  }

  public android.content.res.Resources getResources() {
    return null;
  }

  /** Texts of errors are in the app's resources, of which there are none. */
  public String getString(int id) {
    return "";
  }
}
