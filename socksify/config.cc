// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/config.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "lib/fd.h"
#include "lib/word.h"
#include "socksify/real.h"

namespace crossgate::socksify {
namespace {

constexpr std::size_t maxFileOctets = 1 << 20;
constexpr std::size_t maxCredentialOctets = 255;  // RFC 1929, section 2

Error wrong(std::string why) { return {Failure::invalid, std::move(why)}; }

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

// A file of the user's, whole.  Empty when it does not exist; `secret` asks for mode 0600 or less.
Result<std::optional<std::string>> readFile(const std::string& path, bool secret) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::optional<std::string>{};
    return systemError(path.c_str(), errno);
  }
  std::string text;
  struct stat status {};
  ssize_t got = -1;
  const bool known = ::fstat(fd, &status) == 0;
  const bool regular = known && S_ISREG(status.st_mode);
  const bool open = secret && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0;
  if (regular && !open) {
    char chunk[4096];
    while ((got = real().read(fd, chunk, sizeof chunk)) > 0 && text.size() <= maxFileOctets) {
      text.append(chunk, static_cast<std::size_t>(got));
    }
  }
  const int failed = errno;
  real().close(fd);
  if (!regular) return wrong(path + ": is not a regular file");
  if (open) return wrong(path + ": others may read it; chmod 600 " + path);
  if (got < 0) return systemError(path.c_str(), failed);
  if (text.size() > maxFileOctets) return wrong(path + ": is larger than a megabyte");
  return std::optional(std::move(text));
}

Result<void> setGateway(Config& config, std::string_view value) {
  static constexpr struct {
    std::string_view begin;
    bool tls;
  } schemes[] = {{"tls://", true}, {"socks5://", false}};
  config.tls = false;
  for (const auto& scheme : schemes) {
    if (!value.starts_with(scheme.begin)) continue;
    config.tls = scheme.tls;
    value.remove_prefix(scheme.begin.size());
    break;
  }
  const std::string usual = config.tls ? ":1081" : ":1080";
  const bool hasPort = value.rfind(':') != value.npos && value.find(':') == value.rfind(':');
  const bool bracketed = value.starts_with('[') && value.find("]:") != value.npos;
  std::string text(value);
  if (!hasPort && !bracketed)
    text = (IpAddress::parse(value) && value.find(':') != value.npos && value[0] != '[')
               ? "[" + text + "]" + usual
               : text + usual;
  auto destination = Destination::parse(text);
  if (!destination) return destination.error();
  if (destination->port == 0) return wrong("'" + text + "' has port 0");
  config.gatewayHost = destination->hostText();
  config.gatewayPort = destination->port;
  return {};
}

Result<void> setCredential(Config& config, std::string_view value, std::string socks5::Credentials::*part) {
  if (value.size() > maxCredentialOctets) return wrong("is longer than 255 octets");
  if (!config.credentials) config.credentials.emplace();
  (*config.credentials).*part = std::string(value);
  return {};
}

Result<void> setPasswordFile(Config& config, std::string_view value) {
  if (value.empty()) return {};
  auto text = readFile(std::string(value), true);
  if (!text) return text.error();
  if (!*text) return wrong(std::string(value) + ": no such file");
  return setCredential(config, trimmed(std::string_view(**text).substr(0, (*text)->find('\n'))),
                       &socks5::Credentials::password);
}

// Programs change their folder; the path must not depend on it.
Result<void> setPath(std::string& path, std::string_view value) {
  if (!value.empty() && !value.starts_with('/')) return wrong("'" + std::string(value) + "' does not begin with /");
  path = value;
  return {};
}

Result<void> addDirect(Config& config, std::string_view value) {
  if (value.empty()) return {};
  auto pattern = Pattern::parse(value);
  if (!pattern) return pattern.error();
  config.direct.push_back(*std::move(pattern));
  return {};
}

Result<void> setRange(FakeRange& range, std::string_view value, Family family) {
  const auto slash = value.find('/');
  const auto network = IpAddress::parse(value.substr(0, slash));
  unsigned bits = 0;
  const std::string_view length = slash == value.npos ? std::string_view() : value.substr(slash + 1);
  const auto [stop, error] = std::from_chars(length.data(), length.data() + length.size(), bits);
  // The widest is what a mapping table can use, the narrowest what is still worth having.
  const unsigned widest = family == Family::ipv4 ? 8 : 16;
  const unsigned narrowest = family == Family::ipv4 ? 24 : 112;
  if (!network || network->family() != family || length.empty() || error != std::errc{} ||
      stop != length.data() + length.size() || bits < widest || bits > narrowest) {
    return wrong("'" + std::string(value) + "' is no " + toString(family) + " network of /" +
                 std::to_string(widest) + " to /" + std::to_string(narrowest));
  }
  range = {*network, bits};
  return {};
}

constexpr Word<bool> yesOrNo[] = {{"yes", true}, {"no", false}};
constexpr Word<bool> authWords[] = {{"userpass", false}, {"gssapi", true}};
constexpr Word<LookupFamily> families[] = {
    {"ipv4", LookupFamily::ipv4}, {"ipv6", LookupFamily::ipv6}, {"both", LookupFamily::both}};
constexpr Word<Resolve> resolves[] = {{"trust", Resolve::trust}, {"check", Resolve::check}};
constexpr Word<BindRule> bindRules[] = {
    {"auto", BindRule::automatic}, {"always", BindRule::always}, {"never", BindRule::never}};
constexpr Word<Unprotected> unprotecteds[] = {{"refuse", Unprotected::refuse}, {"run", Unprotected::run}};

Result<void> setTimeout(Config& config, std::string_view value) {
  long seconds = 0;
  const auto [stop, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error != std::errc{} || stop != value.data() + value.size() || seconds < 1 || seconds > 3600) {
    return wrong("'" + std::string(value) + "' is no number of seconds from 1 to 3600");
  }
  config.timeout = std::chrono::seconds(seconds);
  return {};
}

Result<void> addVia(Config& config, std::string_view value) {
  const auto isControl = [](unsigned char c) { return c < ' ' && c != '\t'; };
  if (std::any_of(value.begin(), value.end(), isControl)) return wrong("holds a control character");
  if (!value.empty()) config.via.emplace_back(value);
  return {};
}

using View = std::string_view;
constexpr ConfigOption options[] = {
    {"gateway", "",
     "The Gateway, host:port (port 1080 when left out); tls://host:port (port 1081) is reached inside TLS, its "
     "certificate checked for that name.",
     setGateway},
    {"user", "", "The user name for the Gateway.",
     [](Config& c, View v) { return setCredential(c, v, &socks5::Credentials::user); }},
    {"password", "", "The password for the Gateway; password-file keeps it apart.",
     [](Config& c, View v) { return setCredential(c, v, &socks5::Credentials::password); }},
    {"password-file", "", "A file with mode 0600 whose first line is the password.", setPasswordFile},
    {"auth", "userpass",
     "How the Gateway is told who this is: userpass, if there is a user, or gssapi, with your Kerberos ticket.",
     [](Config& c, View v) { return readWord(v, c.gssapi, authWords); }},
    {"ca", "",
     "For tls://, the absolute path of a file of the CAs that sign the Gateway's certificate; without it the "
     "system's.",
     [](Config& c, View v) { return setPath(c.ca, v); }},
    {"certificate", "", "For tls://, a file with the certificate to show where the Gateway asks for one.",
     [](Config& c, View v) { return setPath(c.certificate, v); }},
    {"key", "", "Its private key; without it the key is in the certificate's file.",
     [](Config& c, View v) { return setPath(c.key, v); }},
    {"via", "",
     "A route for some destinations that comes before the Gateway, as `via` of crossgate.conf; may repeat.",
     addVia},
    {"direct", "",
     "A pattern of destinations that are reached without the Gateway; may repeat.  The loopback is without "
     "it, but for port 53, which has to be named (127.0.0.53:53): a resolver there would ask on in the clear.",
     addDirect},
    {"fake-ipv4", "0.0.0.0/8", "The range that IPv4 fakes are taken from (/8 to /24).",
     [](Config& c, View v) { return setRange(c.fakeIpv4, v, Family::ipv4); }},
    {"fake-ipv6", "100::/64", "The range that IPv6 fakes are taken from (/16 to /112).",
     [](Config& c, View v) { return setRange(c.fakeIpv6, v, Family::ipv6); }},
    {"family", "both", "What a look-up for any family is answered with: ipv4, ipv6 or both.",
     [](Config& c, View v) { return readWord(v, c.family, families); }},
    {"resolve", "trust",
     "check asks the Gateway whether a name exists before the program gets a fake; trust does not.",
     [](Config& c, View v) { return readWord(v, c.resolve, resolves); }},
    {"bind", "auto",
     "When listening means the Gateway's BIND: auto (the data connection of active FTP and its kin), always "
     "or never.",
     [](Config& c, View v) { return readWord(v, c.bind, bindRules); }},
    {"unprotected", "refuse",
     "Programs within the tree that can't be socksified (static, written in Go, setuid, unreadable): refuse "
     "does not start them; run does, and they go direct.",
     [](Config& c, View v) { return readWord(v, c.unprotected, unprotecteds); }},
    {"udp", "yes", "Carry UDP through the Gateway (yes), or refuse it (no).",
     [](Config& c, View v) { return readWord(v, c.udp, yesOrNo); }},
    {"pipeline", "no", "Send the whole request at once, which saves a round trip; not every server takes it.",
     [](Config& c, View v) { return readWord(v, c.pipeline, yesOrNo); }},
    {"timeout", "60", "Seconds that a conversation with the Gateway may take (1 to 3600).", setTimeout},
    {"verbose", "no", "Tell on stderr what is refused and why (yes, no).",
     [](Config& c, View v) { return readWord(v, c.verbose, yesOrNo); }},
};

Result<void> setOption(Config& config, std::string_view key, std::string_view value) {
  const auto* option = std::find_if(std::begin(options), std::end(options),
                                    [&](const ConfigOption& row) { return key == row.name; });
  if (option == std::end(options)) return wrong("there is no such key");
  return option->set(config, value);
}

Result<void> readConfigFile(Config& config, const std::string& path, bool mustExist) {
  auto text = readFile(path, false);
  if (!text) return text.error();
  if (*text) return parseConfig(config, **text, path);
  if (mustExist) return wrong(path + ": no such file");
  return {};
}

std::string environment(const char* name) {
  const char* value = ::secure_getenv(name);
  return value == nullptr ? "" : value;
}

Result<void> readEnvironment(Config& config) {
  static constexpr struct {
    const char* variable;
    const char* key;
  } rows[] = {{"SOCKS5_SERVER", "gateway"},
              {"SOCKS5_USER", "user"},
              {"SOCKS5_PASSWD", "password"},
              {"SOCKSIFY_DIRECT", "direct"},
              {"SOCKSIFY_VERBOSE", "verbose"}};
  for (const auto& row : rows) {
    const std::string value = environment(row.variable);
    if (value.empty()) continue;
    if (auto set = setOption(config, row.key, value); !set) {
      return wrong(std::string("environment: ") + row.variable + ": " + set.error().detail);
    }
  }
  return {};
}

// Where socksify has started a private gateway, which speaks to the Gateway and knows the password.
Result<void> takePrivateGateway(Config& config) {
  const std::string relay = environment("SOCKSIFY_RELAY");
  if (!config.needsPrivateGateway() || relay.empty()) return {};
  const auto endpoint = Endpoint::parse(relay);
  if (!endpoint) return wrong("environment: SOCKSIFY_RELAY: '" + relay + "' is no address and port");
  config.gatewayHost = endpoint->address.toString();
  config.gatewayPort = endpoint->port;
  config.credentials.reset();
  config.relayed = true;
  return {};
}

}  // namespace

std::string personalConfig() {
  if (std::string known = environment(personalConfigVariable); !known.empty()) return known;
  if (const std::string base = environment("XDG_CONFIG_HOME"); base.starts_with('/'))
    return base + "/socksify.conf";
  const std::string home = environment("HOME");
  return home.starts_with('/') ? home + "/.config/socksify.conf" : "";
}

Config::Config() {
  for (const ConfigOption& option : options) {
    if (*option.initial != '\0' && !option.set(*this, option.initial)) std::abort();
  }
}

bool Config::isDirect(const std::string* name, const IpAddress* address, std::uint16_t port) const {
  return std::any_of(direct.begin(), direct.end(),
                     [&](const Pattern& pattern) { return pattern.match(name, address, port) != Match::no; });
}

bool Config::isDirectByPort(const Endpoint& endpoint) const {
  return std::any_of(direct.begin(), direct.end(),
                     [&](const Pattern& pattern) { return pattern.matchesByPort(endpoint); });
}

std::span<const ConfigOption> configOptions() noexcept { return options; }

Result<void> parseConfig(Config& config, std::string_view text, const std::string& place) {
  for (int line = 1; !text.empty(); ++line) {
    const auto end = std::min(text.find('\n'), text.size());
    std::string_view rest = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    // A '#' inside a value (a password) is part of it unless blank space stands before it.
    for (auto hash = rest.find('#'); hash != rest.npos; hash = rest.find('#', hash + 1)) {
      if (hash == 0 || rest[hash - 1] == ' ' || rest[hash - 1] == '\t') rest = rest.substr(0, hash);
    }
    rest = trimmed(rest);
    if (rest.empty()) continue;
    const std::string where = place + ":" + std::to_string(line) + ": ";
    const auto equals = rest.find('=');
    if (equals == rest.npos) return wrong(where + "'" + std::string(rest) + "' is no `key = value`");
    const std::string_view key = trimmed(rest.substr(0, equals));
    if (auto set = setOption(config, key, trimmed(rest.substr(equals + 1))); !set) {
      return wrong(where + std::string(key) + ": " + set.error().detail);
    }
  }
  return {};
}

Result<Config> loadConfig() {
  Config config;
  const std::string named = environment("SOCKSIFY_CONF");
  const std::string personal = personalConfig();
  auto read = readConfigFile(config, SYSCONFDIR "/socksify.conf", false);
  if (read && !personal.empty()) read = readConfigFile(config, personal, false);
  if (read && !named.empty()) read = readConfigFile(config, named, true);
  if (read) read = readEnvironment(config);
  if (!read) return read.error();
  if (config.credentials && config.credentials->user.empty()) {
    return wrong("a password is given without a user: set user, or SOCKS5_USER");
  }
  if (auto taken = takePrivateGateway(config); !taken) return taken.error();
  return config;
}

}  // namespace crossgate::socksify
