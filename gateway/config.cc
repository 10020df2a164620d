// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/config.h"

#include <grp.h>
#include <net/if.h>
#include <pwd.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <charconv>
#include <fstream>
#include <limits>
#include <ostream>
#include <sstream>

#include "gateway/phrase.h"

namespace crossgate {
namespace {

namespace po = boost::program_options;
constexpr unsigned week = 7 * 24 * 3600;
using Assign = std::function<Result<void>(Config&, const Given&)>;

Error invalid(std::string detail) { return {Failure::invalid, std::move(detail)}; }

Result<unsigned> parseNumber(const std::string& text, unsigned low, unsigned high) {
  unsigned value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc{} || stop != end || value < low || value > high) {
    return invalid("'" + text + "' is not a whole number from " + std::to_string(low) + " to " +
                   std::to_string(high));
  }
  return value;
}

// ---- how a row's value reaches its member ----

template <class Member>
Assign number(Member member, unsigned low, unsigned high) {
  return [=](Config& config, const Given& given) -> Result<void> {
    const auto value = parseNumber(given.value, low, high);
    if (!value) return value.error();
    member(config) = *value;
    return {};
  };
}

template <class Member>
Assign seconds(Member member, unsigned low = 1, unsigned high = week) {
  return [=](Config& config, const Given& given) -> Result<void> {
    const auto value = parseNumber(given.value, low, high);
    if (!value) return value.error();
    member(config) = std::chrono::seconds(*value);
    return {};
  };
}

template <class Member>
Assign text(Member member) {
  return [=](Config& config, const Given& given) -> Result<void> {
    member(config) = given.value;
    return {};
  };
}

template <class T, class Member>
Assign choice(std::vector<std::pair<std::string, T>> choices, Member member) {
  return [=](Config& config, const Given& given) -> Result<void> {
    std::string names;
    for (const auto& [name, value] : choices) {
      if (name == given.value) {
        member(config) = value;
        return {};
      }
      names += (names.empty() ? "" : ", ") + name;
    }
    return invalid("'" + given.value + "' is none of " + names);
  };
}

// WHERE:PORT [version LIST] [proxy from PATTERN] [owner USER]
Result<Phrase> listenerPhrase(const std::string& text) {
  auto phrase = Phrase::parse(text, {"version", "from", "owner"}, {"proxy"});
  if (phrase && phrase->has("proxy") != phrase->has("from")) {
    return invalid("write `proxy from PATTERN`: a header is only believed from named sources");
  }
  return phrase;
}

// A name, or a number as in /etc/passwd.
Result<unsigned> parseOwner(const std::string& text, const ListenerConfig& listener) {
  const bool loopback = listener.interface.empty() ? listener.endpoint.address.isLoopback() : listener.interface == "lo";
  if (!loopback) return invalid("owner: only on loopback can the kernel tell whose a client is");
  if (const auto number = parseNumber(text, 0, std::numeric_limits<unsigned>::max() - 1)) return *number;
  const passwd* entry = getpwnam(text.c_str());
  if (entry == nullptr) return invalid("owner: there is no user '" + text + "'");
  return entry->pw_uid;
}

// An interface's name is hard to tell from an address with a mistake in it: one of digits and dots is none.
bool mayBeInterface(std::string_view name) {
  return !name.empty() && name.size() < IFNAMSIZ && name.find_first_of("[]:/%* ") == name.npos &&
         name.find_first_not_of("0123456789.") != name.npos;
}

// ADDRESS:PORT, [ADDRESS]:PORT or INTERFACE:PORT
Result<ListenerConfig> listenerAt(const std::string& where) {
  ListenerConfig listener;
  if (const auto endpoint = Endpoint::parse(where)) {
    listener.endpoint = *endpoint;
    return listener;
  }
  const std::size_t colon = std::min(where.rfind(':'), where.size());
  listener.interface = where.substr(0, colon);
  listener.endpoint.port = parsePort(std::string_view(where).substr(std::min(colon + 1, where.size()))).value_or(0);
  if (listener.endpoint.port != 0 && mayBeInterface(listener.interface)) return listener;
  return invalid("'" + where + "' is not ADDRESS:PORT, [ADDRESS]:PORT or INTERFACE:PORT");
}

Assign addListener(bool tls) {
  return [=](Config& config, const Given& given) -> Result<void> {
    const auto phrase = listenerPhrase(given.value);
    if (!phrase) return phrase.error();
    const std::string where = phrase->leading().size() == 1 ? phrase->leading().front() : given.value;
    const auto parsed = listenerAt(where);
    if (!parsed) return parsed.error();
    ListenerConfig listener = *parsed;
    listener.tls = tls;
    if (phrase->has("version")) {
      listener.socks4 = listener.socks5 = false;
      for (const std::string& version : splitList(phrase->value("version"), ',')) {
        if (version != "4" && version != "5") return invalid("version: '" + version + "' is neither 4 nor 5");
        (version == "4" ? listener.socks4 : listener.socks5) = true;
      }
    }
    if (phrase->has("from")) {
      auto from = Pattern::parse(phrase->value("from"));
      if (!from) return invalid("proxy from: " + from.error().detail);
      if (from->hasNames()) return invalid("proxy from: a source is known by its address, not by a name");
      listener.proxyFrom = *std::move(from);
    }
    if (phrase->has("owner")) {
      const auto owner = parseOwner(phrase->value("owner"), listener);
      if (!owner) return owner.error();
      listener.owner = *owner;
    }
    config.listeners.push_back(std::move(listener));
    return {};
  };
}

Result<void> assignGssLevels(Config& config, const Given& given) {
  config.gss.levels.clear();
  for (const std::string& word : splitList(given.value, ',')) {
    const auto level = parseGssLevel(word);
    if (!level) return invalid("'" + word + "' is none of confidentiality, integrity, selective, none");
    config.gss.levels.push_back(*level);
  }
  return {};
}

template <class Member>
Assign yesNo(Member member) {
  return choice<bool>({{"yes", true}, {"no", false}}, member);
}

Result<void> addMethodRule(Config& config, const Given& given) {
  auto rule = MethodRule::parse(given.value);
  if (!rule) return rule.error();
  rule->place = given.place;
  config.auth.methods.push_back(*std::move(rule));
  return {};
}

Result<void> addRule(Config& config, const Given& given) {
  auto rule = AccessRule::parse(given.value);
  if (!rule) return rule.error();
  rule->place = given.place;
  config.rules.push_back(*std::move(rule));
  return {};
}

// NAME USER,USER
Result<void> addGroup(Config& config, const Given& given) {
  const std::vector<std::string> words = splitWords(given.value);
  if (words.size() != 2) return invalid("a group is a name and a list of users: staff alice,bob");
  for (const std::string& user : splitList(words[1], ',')) {
    if (user.empty()) return invalid("an empty user name");
    config.groups[words[0]].insert(user);
  }
  return {};
}

// A group that the configuration does not list is one of the system: its members now.
Result<std::set<std::string>> membersOf(const Config& config, const std::string& name) {
  if (const auto listed = config.groups.find(name); listed != config.groups.end()) return listed->second;
  const group* entry = getgrnam(name.c_str());
  if (entry == nullptr)
    return invalid("there is no group '" + name + "', neither in access.group nor of the system");
  const gid_t gid = entry->gr_gid;
  std::set<std::string> members;
  for (char** member = entry->gr_mem; *member != nullptr; ++member) members.insert(*member);
  // Those whose first group it is are not in its list.
  setpwent();
  while (const passwd* user = getpwent()) {
    if (user->pw_gid == gid) members.insert(user->pw_name);
  }
  endpwent();
  return members;
}

Result<void> resolveGroups(Config& config) {
  for (AccessRule& rule : config.rules) {
    for (const std::string& name : rule.groups) {
      const auto members = membersOf(config, name);
      if (!members) return invalid(rule.place + ": access.rule: " + members.error().detail);
      rule.members.insert(members->begin(), members->end());
    }
  }
  return {};
}

Result<void> addRoute(Config& config, const Given& given) {
  auto route = Route::parse(given.value);
  if (!route) return route.error();
  route->place = given.place;
  config.routes.add(*std::move(route));
  return {};
}

Result<void> addNameserver(Config& config, const Given& given) {
  auto endpoint = Endpoint::parse(given.value);
  if (!endpoint) {
    const auto address = IpAddress::parse(given.value);
    if (!address) return invalid("'" + given.value + "' is not an address with or without a port");
    endpoint = Endpoint{*address, 53};
  }
  config.nameservers.push_back(endpoint->toString());
  return {};
}

template <class Member>
Assign ports(Member member) {
  return [=](Config& config, const Given& given) -> Result<void> {
    const auto range = PortRange::parse(given.value);
    if (!range) return invalid("'" + given.value + "' is not LOW-HIGH, from 1 to 65535");
    member(config) = *range;
    return {};
  };
}

template <class Member>
Assign addressPair(Member member) {
  return [=](Config& config, const Given& given) -> Result<void> {
    const auto address = IpAddress::parse(given.value);
    if (!address || address->isUnspecified())
      return invalid("'" + given.value + "' is not the address of a host");
    auto& place = member(config).of(address->family());
    if (place) return invalid("a second " + std::string(toString(address->family())) + " address");
    place = *address;
    return {};
  };
}

Result<void> addExternal(Config& config, const Given& given) {
  const auto address = IpAddress::parse(given.value);
  if (!address) return invalid("'" + given.value + "' is not an IPv4 or IPv6 address");
  auto& source = address->isV4() ? config.dial.sourceV4 : config.dial.sourceV6;
  if (source) return invalid("a second " + std::string(toString(address->family())) + " address");
  source = *address;
  return {};
}

std::vector<Option> makeTable() {
  const auto member = [](auto pick) {
    return [pick](Config & config) -> auto& { return pick(config); };
  };
#define MEMBER(path) member([](Config & c) -> auto& { return c.path; })
  return {
      {"user",
       "NAME",
       {},
       false,
       "The user that workers run as when the gateway is started as root. Without it they stay root's, "
       "and the log warns.",
       text(MEMBER(user))},
      {"pid-file",
       "FILE",
       {},
       false,
       "Holds the process id of the master, and a lock that refuses a second start. Read at the start and at "
       "an upgrade; a reload does not move it.",
       text(MEMBER(pidFile))},
      {"listen.socks",
       "WHERE:PORT [version LIST] [proxy from PATTERN] [owner USER]",
       {"127.0.0.1:1080", "[::1]:1080"},
       true,
       "Where clients speak SOCKS, of any version or of those listed (4, which is 4A too, and 5): an address, or "
       "an interface (eth0:1080), whose addresses the listener follows as they come and go, link-local ones "
       "included. In rules and in the log the user id of a SOCKS4 client reads socks4:ID, because nobody has "
       "verified it.",
       addListener(false)},
      {"listen.tls",
       "WHERE:PORT [version LIST] [proxy from PATTERN] [owner USER]",
       {},
       true,
       "Where clients speak SOCKS inside TLS.",
       addListener(true)},
      {"tls.certificate",
       "FILE",
       {},
       false,
       "The Gateway's certificate and the chain behind it (PEM). It is read with the privileges of the "
       "start, "
       "and again at every reload.",
       text(MEMBER(tls.certificate))},
      {"tls.key",
       "FILE",
       {},
       false,
       "The private key of the certificate (PEM, not encrypted). Without this option it is in the file of "
       "the certificate.",
       text(MEMBER(tls.key))},
      {"tls.client-ca",
       "FILE",
       {},
       false,
       "Clients are asked for a certificate that one of these CAs has signed (PEM); one that does not "
       "verify ends the connection.",
       text(MEMBER(tls.clientCa))},
      {"tls.client-certificate",
       "WORD",
       {"optional"},
       false,
       "With `client-ca`: optional, or required.",
       choice<bool>({{"optional", false}, {"required", true}}, MEMBER(tls.clientCertificateRequired))},
      {"tls.user",
       "WORD",
       {"no"},
       false,
       "What of a client's certificate becomes the user's name: no, subject (the distinguished name, RFC "
       "2253), common-name, or email or dns of its subjectAltName. A name that a method of authentication "
       "gives comes first.",
       choice<CertificateUser>({{"no", CertificateUser::no},
                                {"subject", CertificateUser::subject},
                                {"common-name", CertificateUser::commonName},
                                {"email", CertificateUser::email},
                                {"dns", CertificateUser::dns}},
                               MEMBER(tls.user))},
      {"tls.ciphers",
       "LIST",
       {},
       false,
       "Ciphers, separated by colons, as ciphers(1) of OpenSSL has them; names that begin with TLS_ are "
       "those "
       "of TLS 1.3. Without it: what has forward secrecy and authenticates what it encrypts.",
       text(MEMBER(tls.ciphers))},
      {"tls.minimum",
       "VERSION",
       {"1.2"},
       false,
       "The oldest version of TLS that is spoken: 1.2 or 1.3.",
       choice<TlsVersion>({{"1.2", TlsVersion::v12}, {"1.3", TlsVersion::v13}}, MEMBER(tls.minimum))},
      {"tls.detect",
       "YESNO",
       {"no"},
       false,
       "Whether a client of a `socks` listener may begin with TLS as well (yes, no).",
       yesNo(MEMBER(tls.detect))},
      {"tls.udp",
       "YESNO",
       {"no"},
       false,
       "Whether a client inside TLS may ask for UDP ASSOCIATE: TLS does not protect its datagrams (yes, "
       "no).",
       yesNo(MEMBER(tls.udp))},
      {"workers.start",
       "N",
       {"8"},
       false,
       "Workers forked at the start (1 to 4096).",
       number(MEMBER(workers.start), 1, 4096)},
      {"workers.spare-min",
       "N",
       {"4"},
       false,
       "Fork when fewer workers than this are idle (0 to 4096).",
       number(MEMBER(workers.spareMin), 0, 4096)},
      {"workers.spare-max",
       "N",
       {"32"},
       false,
       "Retire when more workers than this are idle (1 to 4096).",
       number(MEMBER(workers.spareMax), 1, 4096)},
      {"workers.max",
       "N",
       {"256"},
       false,
       "The most workers (1 to 4096).",
       number(MEMBER(workers.max), 1, 4096)},
      {"workers.relays",
       "N",
       {"256"},
       false,
       "Relays a worker serves at once when all workers are busy (1 to 65536). With 1 every relay has a "
       "process of its own, and clients beyond `max` wait in the listen backlog.",
       number(MEMBER(workers.relays), 1, 65536)},
      {"workers.lifetime",
       "N",
       {"10000"},
       false,
       "Relays after which a worker is replaced (0 to 1000000000; 0: never).",
       number(MEMBER(workers.lifetime), 0, 1'000'000'000)},
      {"workers.drain",
       "SECONDS",
       {"30"},
       false,
       "How long running relays may go on after a stop was asked for (0 to 604800).",
       seconds(MEMBER(workers.drain), 0)},
      {"workers.sandbox",
       "YESNO",
       {"yes"},
       false,
       "Whether workers are confined to the system calls that relaying takes, and to a bounded memory. A "
       "worker that makes another call is killed, and the log names the call (yes, no).",
       yesNo(MEMBER(workers.sandbox))},
      {"limits.per-source",
       "N",
       {"0"},
       false,
       "Relays one source may have at once; a further client of it is closed at once. A source is an IPv4 "
       "address or an IPv6 /64 (0 to 1000000; 0: no limit).",
       number(MEMBER(limits.perSource), 0, 1'000'000)},
      {"auth.method",
       "LIST [from PATTERN] [listen socks|tls]",
       {"none"},
       true,
       "Authentication methods (none, userpass, gssapi), preferred first, offered to clients of these "
       "addresses; "
       "the first line that matches decides, and where none does the client is turned away. By default "
       "nobody is asked who he is, and the access rules, which by default permit this host alone, decide.",
       addMethodRule},
      {"auth.password-file",
       "FILE",
       {},
       false,
       "Users and passwords: lines of user:hash, as `crossgate passwd` writes them. Only the auth helper "
       "reads it; a change is seen at once.",
       text(MEMBER(auth.passwordFile))},
      {"auth.pam",
       "SERVICE",
       {},
       false,
       "Check users that are not in the password file with this PAM service (a file in /etc/pam.d).",
       text(MEMBER(auth.pam))},
      {"auth.checkers",
       "N",
       {"2"},
       false,
       "Processes that check passwords (1 to 64).",
       number(MEMBER(auth.checkers), 1, 64)},
      {"auth.remember",
       "SECONDS",
       {"60"},
       false,
       "A login that succeeded is accepted again for this long without another check (0 to 3600; 0: never).",
       seconds(MEMBER(auth.remember), 0, 3600)},
      {"auth.failures",
       "N",
       {"10"},
       false,
       "Failed logins after which a source (an IPv4 address or an IPv6 /64) is refused (0 to 1000000; 0: "
       "never). Every failure makes the answer slower, from half a second up to eight.",
       number(MEMBER(auth.failures), 0, 1'000'000)},
      {"auth.refuse",
       "SECONDS",
       {"300"},
       false,
       "For how long such a source is refused, and when failures are forgotten (1 to 604800).",
       seconds(MEMBER(auth.refuse))},
      {"gssapi.keytab",
       "FILE",
       {},
       false,
       "The keys of the service, usually rcmd/HOST; any key in it will do. Without it: the keytab that "
       "Kerberos has by default. Only the GSSAPI helper reads it.",
       text(MEMBER(gss.keytab))},
      {"gssapi.protection",
       "LIST",
       {"confidentiality,integrity"},
       false,
       "How messages may be protected after GSSAPI: confidentiality, integrity, selective (each as its "
       "sender likes), none. Clients choose among them; curl can do none only.",
       assignGssLevels},
      {"gssapi.nec",
       "YESNO",
       {"no"},
       false,
       "Whether clients may ask for a level of protection without protecting the question, as the NEC "
       "reference does (yes, no).",
       yesNo(MEMBER(gss.nec))},
      {"gssapi.user",
       "WORD",
       {"principal"},
       false,
       "The user's name: principal (alice@EXAMPLE.ORG), or short (alice) for principals of the default "
       "realm; those of other realms keep it.",
       choice<bool>({{"principal", false}, {"short", true}}, MEMBER(gss.shortNames))},
      {"access.rule",
       "RULE",
       {"permit from 127.0.0.0/8,[::1]"},
       true,
       "permit|deny [from PATTERN] [to PATTERN] [command LIST] [user LIST] [group LIST] [auth LIST] [tls "
       "yes|no] [time Mon-Fri/08:00-18:00] [log] [sessions N] [per-user N] [per-source N]. The first rule "
       "that matches "
       "decides; where none does the answer is no.",
       addRule},
      {"access.group",
       "NAME USER[,USER...]",
       {},
       true,
       "Users that rules may name by a group. A group that is not listed here is one of the system, whose "
       "members are read at the start and at a reload.",
       addGroup},
      {"route.via",
       "ROUTE",
       {},
       true,
       "direct|HOP [HOP ...] [| HOP ...] [to PATTERN] [from PATTERN] [command LIST] [user LIST] [resolve here] "
       "[login pass|pass-clear] [balance order|least|hash] [pipeline yes|no]. Which requests go through further "
       "gateways; the first route that matches decides, and where none does the destination is dialled from "
       "here. A hop is socks5://, socks4://, socks4a:// or, for CONNECT, http://, or with +tls (socks5+tls://), "
       "or by GSSAPI (socks5+gssapi://, socks5+tls+gssapi://; the ticket is one for rcmd/HOST), "
       "then user:password@ or @FILE@ where it wants them, then HOST:PORT. Hops in a row are tunnelled "
       "one through the other; | stands between alternatives.",
       addRoute,
       maskSecrets},
      {"route.timeout",
       "SECONDS",
       {"10"},
       false,
       "For a hop to be connected to, and to say anything (1 to 3600).",
       seconds(MEMBER(route.timeout), 1, 3600)},
      {"route.down",
       "SECONDS",
       {"30"},
       false,
       "A hop that failed is avoided for this long, where there is another way (1 to 604800).",
       seconds(MEMBER(route.down))},
      {"route.gateways",
       "N",
       {"8"},
       false,
       "Gateways that a request may pass, this one included; one that has passed as many goes round in "
       "circles (1 to 31).",
       number(MEMBER(route.mostGateways), 1, 31)},
      {"route.ca",
       "FILE",
       {},
       false,
       "The CAs that sign the certificates of hops by TLS (PEM). Without it: those of the system.",
       text(MEMBER(route.tls.ca))},
      {"route.certificate",
       "FILE",
       {},
       false,
       "The certificate shown to hops that ask for one (PEM).",
       text(MEMBER(route.tls.certificate))},
      {"route.key",
       "FILE",
       {},
       false,
       "Its private key (PEM, not encrypted). Without this option it is in the file of the certificate.",
       text(MEMBER(route.tls.key))},
      {"route.gssapi",
       "LEVEL",
       {"confidentiality"},
       false,
       "How hops by GSSAPI must protect messages: confidentiality, or integrity, where others may read them.",
       choice<GssLevel>({{"confidentiality", GssLevel::confidentiality}, {"integrity", GssLevel::integrity}},
                        MEMBER(route.gssLevel))},
      {"route.udp",
       "YESNO",
       {"no"},
       false,
       "Whether UDP may go through hops by TLS, which does not protect datagrams (yes, no).",
       yesNo(MEMBER(route.udp))},
      {"resolver.nameserver",
       "ADDRESS[:PORT]",
       {},
       true,
       "A name server to ask instead of the system's.",
       addNameserver},
      {"resolver.prefer",
       "FAMILY",
       {"ipv6"},
       false,
       "ipv6 (the order of RFC 6724), ipv4, ipv4-only or ipv6-only.",
       choice<Preference>({{"ipv6", Preference::ipv6},
                           {"ipv4", Preference::ipv4},
                           {"ipv4-only", Preference::ipv4Only},
                           {"ipv6-only", Preference::ipv6Only}},
                          MEMBER(dial.prefer))},
      {"external.address",
       "ADDRESS",
       {},
       true,
       "The source address towards destinations, one for each family.",
       addExternal},
      {"bind.ports",
       "LOW-HIGH",
       {},
       false,
       "The ports at which BIND expects peers. Without it the kernel chooses.",
       ports(MEMBER(bind.ports))},
      {"bind.advertise",
       "ADDRESS",
       {},
       true,
       "The address, one for each family, that BIND tells instead of the gateway's own, where peers reach "
       "the "
       "gateway through NAT.",
       addressPair(MEMBER(bind.advertise))},
      {"udp.ports",
       "LOW-HIGH",
       {},
       false,
       "The ports to which clients send their datagrams, one for each association. Without it the kernel "
       "chooses.",
       ports(MEMBER(associate.ports))},
      {"udp.advertise",
       "ADDRESS",
       {},
       true,
       "The address, one for each family, that clients are told to send their datagrams to, where they reach "
       "the gateway through NAT.",
       addressPair(MEMBER(associate.advertise))},
      {"udp.fragments",
       "WHAT",
       {"reassemble"},
       false,
       "reassemble (RFC 1928, section 7) or drop.",
       choice<Fragments>({{"reassemble", Fragments::reassemble}, {"drop", Fragments::drop}},
                         MEMBER(associate.fragments))},
      {"udp.peers",
       "WHO",
       {"contacted"},
       false,
       "Whose datagrams reach a client: those of hosts that it has sent to (contacted), or of any that the "
       "rules permit as a destination (any).",
       choice<DatagramPeers>({{"contacted", DatagramPeers::contacted}, {"any", DatagramPeers::any}},
                             MEMBER(datagramPeers))},
      {"timeout.negotiate",
       "SECONDS",
       {"30"},
       false,
       "For the client to say what it wants (1 to 604800).",
       seconds(MEMBER(timeouts.negotiate))},
      {"timeout.connect",
       "SECONDS",
       {"30"},
       false,
       "To resolve and reach a destination, all its addresses together (1 to 604800).",
       seconds(MEMBER(timeouts.connect))},
      {"timeout.bind",
       "SECONDS",
       {"180"},
       false,
       "For the peer that BIND expects to come (1 to 604800).",
       seconds(MEMBER(bind.timeout))},
      {"timeout.idle",
       "SECONDS",
       {"7200"},
       false,
       "A relay without an octet in either direction ends after this (1 to 604800).",
       seconds(MEMBER(timeouts.relay.idle))},
      {"timeout.udp",
       "SECONDS",
       {"600"},
       false,
       "A UDP association without a datagram in either direction ends after this (1 to 604800).",
       seconds(MEMBER(associate.idle))},
      {"timeout.half-closed",
       "SECONDS",
       {"600"},
       false,
       "The same once one direction has ended (1 to 604800).",
       seconds(MEMBER(timeouts.relay.halfClosed))},
      {"log.to", "SINK", {"stderr"}, false, "syslog, stderr or the path of a file.", text(MEMBER(log.to))},
      {"log.format",
       "FORMAT",
       {"text"},
       false,
       "text (logfmt) or json.",
       choice<LogFormat>({{"text", LogFormat::text}, {"json", LogFormat::json}}, MEMBER(log.format))},
      {"log.level",
       "LEVEL",
       {"info"},
       false,
       "error, warning, info or debug.",
       choice<LogLevel>({{"error", LogLevel::error},
                         {"warning", LogLevel::warning},
                         {"info", LogLevel::info},
                         {"debug", LogLevel::debug}},
                        MEMBER(log.level))},
  };
#undef MEMBER
}

po::options_description describe() {
  po::options_description description;
  for (const Option& option : optionTable()) {
    description.add_options()(option.name.c_str(), po::value<std::vector<std::string>>());
  }
  return description;
}

// "[name]", which nothing but a comment follows.
bool isSection(std::string_view line) {
  const std::size_t end = line.find(']');
  if (end == line.npos) return false;
  const std::size_t next = line.find_first_not_of(" \t\r", end + 1);
  return next == line.npos || line[next] == '#';
}

// Boost.Program_options does not tell the line of an option, so it is given the file a line at a time,
// each under its section.
class FileReader {
 public:
  FileReader(std::string file, EffectiveValues& values) : file_(std::move(file)), values_(values) {}

  Result<void> read() {
    std::ifstream in(file_);
    if (!in) return systemError(file_.c_str(), errno);
    std::string line;
    for (unsigned number = 1; std::getline(in, line); ++number) readLine(line, number);
    if (!mistakes_.empty()) return invalid(mistakes_);
    return {};
  }

 private:
  void readLine(const std::string& line, unsigned number) {
    const std::string place = file_ + ":" + std::to_string(number);
    const std::size_t first = line.find_first_not_of(" \t\r");
    if (first != line.npos && line[first] == '[' && isSection(line)) {
      section_ = line.substr(first);
      return;
    }
    std::istringstream piece(section_ + "\n" + line + "\n");
    try {
      const auto parsed = po::parse_config_file(piece, description_);
      for (const auto& option : parsed.options) {
        for (const std::string& value : option.value) values_[option.string_key].push_back({value, place});
      }
    } catch (const po::unknown_option& error) {
      mistake(place + ": unknown key '" + error.get_option_name() + "'");
    } catch (const po::error&) {
      mistake(place + ": not a [section], not key = value: " +
              maskSecrets(line.substr(first == line.npos ? 0 : first)));
    }
  }

  void mistake(const std::string& text) { mistakes_ += (mistakes_.empty() ? "" : "\n") + text; }

  std::string file_;
  EffectiveValues& values_;
  po::options_description description_ = describe();
  std::string section_;
  std::string mistakes_;
};

Result<void> checkListeners(const std::vector<ListenerConfig>& listeners) {
  for (auto later = listeners.begin(); later != listeners.end(); ++later) {
    const bool given = std::any_of(listeners.begin(), later, [&](const ListenerConfig& earlier) {
      return earlier.endpoint == later->endpoint && earlier.interface == later->interface &&
             later->endpoint.port != 0;
    });
    const std::string where = later->interface.empty()
                                  ? later->endpoint.toString()
                                  : later->interface + ":" + std::to_string(later->endpoint.port);
    if (given) return invalid("two listeners on " + where);
  }
  return {};
}

Result<void> checkTls(const Config& config) {
  const bool tlsListener = std::any_of(config.listeners.begin(), config.listeners.end(),
                                       [](const ListenerConfig& listener) { return listener.tls; });
  if (config.tls.certificate.empty()) {
    if (tlsListener) return invalid("listen.tls needs tls.certificate");
    if (config.tls.detect) return invalid("tls.detect needs tls.certificate");
  }
  if (config.tls.clientCa.empty()) {
    if (config.tls.clientCertificateRequired) return invalid("tls.client-certificate needs tls.client-ca");
    if (config.tls.user != CertificateUser::no) return invalid("tls.user needs tls.client-ca");
  }
  return {};
}

// Checks that span several options.
Result<void> checkWhole(const Config& config) {
  if (config.workers.spareMin > config.workers.spareMax) {
    return invalid("workers.spare-min is larger than workers.spare-max");
  }
  if (config.auth.offers(socks5::Method::userpass) && config.auth.passwordFile.empty() &&
      config.auth.pam.empty()) {
    return invalid("auth.method offers userpass, but there is neither auth.password-file nor auth.pam");
  }
  if (config.workers.start > config.workers.max) return invalid("workers.start is larger than workers.max");
  if (auto checked = checkListeners(config.listeners); !checked) return checked;
  return checkTls(config);
}

}  // namespace

// A relay has two sockets, and two pipes while octets are on their way; a worker has a few of its own, and the
// master and its helpers have enough with the least.
std::size_t WorkersConfig::descriptors() const noexcept {
  return std::max<std::size_t>(std::size_t{relays} * 6 + 64, 1024);
}

bool AuthConfig::offers(socks5::Method method) const noexcept {
  return std::any_of(methods.begin(), methods.end(),
                     [&](const MethodRule& rule) { return rule.offers(method); });
}

const std::vector<Option>& optionTable() {
  static const std::vector<Option> table = makeTable();
  return table;
}

Result<LoadedConfig> loadConfig(const std::string& file, const Overrides& overrides) {
  LoadedConfig loaded;
  if (!file.empty()) {
    if (auto read = FileReader(file, loaded.values).read(); !read) return read.error();
  }
  EffectiveValues fromCommandLine;
  for (const auto& [name, value] : overrides) fromCommandLine[name].push_back({value, "command line"});
  for (auto& [name, given] : fromCommandLine) loaded.values[name] = std::move(given);

  std::string mistakes;
  const auto mistake = [&](const std::string& text) { mistakes += (mistakes.empty() ? "" : "\n") + text; };
  for (const Option& option : optionTable()) {
    auto& given = loaded.values[option.name];
    if (given.empty()) {
      for (const std::string& value : option.defaults) given.push_back({value, "default"});
    }
    if (!option.repeats && given.size() > 1) {
      mistake(given[1].place + ": " + option.name + ": given again; first at " + given[0].place);
      continue;
    }
    for (const Given& one : given) {
      if (const auto assigned = option.assign(loaded.config, one); !assigned) {
        mistake(one.place + ": " + option.name + ": " + assigned.error().detail);
      }
    }
  }
  if (!mistakes.empty()) return invalid(mistakes);
  if (const auto checked = checkWhole(loaded.config); !checked) {
    return invalid((file.empty() ? "command line" : file) + ": " + checked.error().detail);
  }
  if (const auto resolved = resolveGroups(loaded.config); !resolved) return resolved.error();
  loaded.config.access = AccessRules(std::move(loaded.config.rules));
  return loaded;
}

void dumpConfig(std::ostream& out, const EffectiveValues& values) {
  std::string section;
  for (const Option& option : optionTable()) {
    const std::size_t dot = option.name.find('.');
    const std::string itsSection = dot == option.name.npos ? "" : option.name.substr(0, dot);
    if (itsSection != section) {
      section = itsSection;
      out << "\n[" << section << "]\n";
    }
    const std::string key = dot == option.name.npos ? option.name : option.name.substr(dot + 1);
    const auto found = values.find(option.name);
    if (found == values.end() || found->second.empty())
      out << "# " << key << " =\n";
    else
      for (const Given& given : found->second)
        out << key << " = " << (option.shown ? option.shown(given.value) : given.value) << '\n';
  }
}

}  // namespace crossgate
