package io.ruvector.cli;

import picocli.CommandLine.IVersionProvider;

/** The version that the jar's manifest has. */
final class VersionProvider implements IVersionProvider {
  @Override
  public String[] getVersion() {
    return new String[] {"ruvector " + version()};
  }

  static String version() {
    String version = VersionProvider.class.getPackage().getImplementationVersion();
    return version == null ? "(not run from a jar)" : version;
  }
}
