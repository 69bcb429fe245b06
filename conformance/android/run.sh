#!/usr/bin/env bash
# Runs the scenarios with the official Android library, its own classes on a plain
# JVM, against a ducat it starts itself. Arguments choose scenarios:
# conformance/android/run.sh alipay
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../suite.sh

{ command -v mvn && command -v javac; } >/dev/null || absent "mvn or a JDK"
begin

# The stamp saves a start of Maven when nothing changed since the last one.
if ! cmp -s pom.xml target/.installed; then
  mvn -q -B generate-resources
  for part in payments-core payments-model stripe-core; do
    (cd target && jar xf aar/$part-[0-9]*.aar classes.jar R.txt && mv classes.jar lib/$part.jar && mv R.txt $part.txt)
  done
  cp pom.xml target/.installed
fi

# A phone's build makes this class of the library's list of resources.
mkdir -p target/R
awk 'BEGIN { print "package com.stripe.payments.model; public final class R {" }
  $1 == "int" { of[$2] = of[$2] " public static int " $3 ";" }
  END { for (kind in of) print "public static final class " kind " {" of[kind] "}"; print "}" }' target/payments-model.txt >target/R/R.java
path=$(printf '%s:' target/lib/*.jar)
javac -nowarn -Xlint:none -d target/classes -cp "$path" $(find phone src -name '*.java') target/R/R.java 2>&1 | { grep -v '^Note:' || true; }
java -cp "target/classes:$path" ducat.Android "$@"
lists=(../ANDROID.md)
finish "$@"
