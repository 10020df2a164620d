// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/auth_helper.h"

#include <linux/capability.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <list>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "gateway/auth_checker.h"
#include "gateway/auth_protocol.h"
#include "gateway/log_follower.h"
#include "gateway/login_memory.h"
#include "gateway/password_file.h"
#include "gateway/process.h"
#include "gateway/privilege.h"

namespace crossgate {
namespace {

constexpr std::size_t mostLogins = 4096;
constexpr std::size_t mostPerSource = 256;
constexpr std::ptrdiff_t mostChannels = 4;  // of a worker
constexpr std::size_t mostRemembered = 65'536;
// A worker need not ask again at once.  Short: a changed password, or a refusal of the source, counts after
// it.
constexpr std::chrono::milliseconds longestUnasked{1'000};
constexpr std::chrono::seconds longestWait{60};
// Questions taken in one round, so that verdicts have their turn.
constexpr int questionsAtOnce = 64;

// Who has made a socket pair; 0 when the kernel does not tell.
pid_t peerProcess(int socket) noexcept {
  ucred peer{};
  socklen_t length = sizeof peer;
  return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 ? peer.pid : 0;
}

class Helper {
 public:
  Helper(const AuthConfig& config, const Log& log, Fd questions, Fd logNews)
      : config_(config),
        log_(log),
        questions_(std::move(questions)),
        memory_(mostRemembered),
        failures_(config.failures, config.refuse),
        follower_(loop_, std::move(logNews), log, [this] { renewCheckers(); }),
        opened_(loop_, questions_.get(), EV_READ | EV_PERSIST, &Helper::onChannels, this) {
    for (unsigned i = 0; i < config.checkers; ++i) {
      checkers_.push_back(std::make_unique<Checker>(loop_, config_, log_));
    }
    opened_.add();
  }

  void run() {
    while (!(ending_ && logins_.empty())) {
      letOthersRun();  // as the workers do: they ask meanwhile, and several are answered in one turn
      loop_.turn();
      ended_.clear();
    }
  }

 private:
  // A worker's.  It lives on without the worker while there is a login of it.
  struct Channel {
    Channel(Helper& owner, Fd socket)
        : helper(owner),
          fd(std::move(socket)),
          worker(peerProcess(fd.get())),
          questions(owner.loop_, fd.get(), EV_READ | EV_PERSIST, &Helper::onQuestions, this),
          room(owner.loop_, fd.get(), EV_WRITE, &Helper::onRoom, this) {
      questions.add();
    }
    Helper& helper;
    Fd fd;
    pid_t worker;
    Event questions;
    Event room;                       // while answers are owed
    std::deque<LoginAnswer> answers;  // that it has no room for; no question is taken meanwhile
    std::list<std::shared_ptr<Channel>>::iterator place;
  };

  // One login on its way through the helper.
  struct Login {
    Login(Helper& owner, std::shared_ptr<Channel> from, LoginQuestion question)
        : helper(owner),
          channel(std::move(from)),
          number(question.number),
          stamp(owner.stamp_),
          request(std::move(question.login)),
          key(owner.hash_.ofLogin(request.user, request.password)),
          source(owner.hash_.ofSource(request.source)),
          turn(owner.loop_) {}
    ~Login() { wipe(request.password); }
    Login(const Login&) = delete;
    Login& operator=(const Login&) = delete;

    Helper& helper;
    std::shared_ptr<Channel> channel;
    std::uint32_t number;
    FileStamp stamp;  // of the password file when it was asked
    LoginRequest request;
    Digest key, source;
    Signal turn;
    Checker* checker = nullptr;  // while it is this login's turn
    std::chrono::milliseconds delay{0};
    std::list<Login>::iterator place;
    Task<void> task;
  };

  static void onChannels(int, short, void* self) noexcept { static_cast<Helper*>(self)->takeChannels(); }
  static void onQuestions(int, short, void* channel) noexcept {
    auto* asking = static_cast<Channel*>(channel);
    asking->helper.takeQuestions(*asking->place);
  }
  static void onRoom(int, short, void* channel) noexcept {
    auto* owed = static_cast<Channel*>(channel);
    owed->helper.answerRest(*owed);
  }

  void takeChannels() {
    for (;;) {
      auto received = receiveChannel(questions_.get());
      if (!received) return endOrDie(received.error());
      if (!received->has_value()) return;
      if (!**received) continue;  // no room for it; who sent it sees it close
      const auto place =
          channels_.insert(channels_.end(), std::make_shared<Channel>(*this, std::move(**received)));
      (*place)->place = place;
      endSurplus((*place)->worker);
    }
  }

  // A worker needs one, and its next one before the end of the last is heard; none takes the room of the others.
  void endSurplus(pid_t worker) {
    const auto isOfWorker = [&](const auto& channel) { return channel->worker == worker; };
    if (std::count_if(channels_.begin(), channels_.end(), isOfWorker) <= mostChannels) return;
    const auto oldest = std::find_if(channels_.begin(), channels_.end(), isOfWorker);
    hangUp(**oldest, {Failure::exhausted, "it opens channel after channel"});
  }

  // Nobody asks any more: the gateway ends.  Anything else is a worker that does not keep the contract, and
  // nobody knows which.
  void endOrDie(const Error& error) {
    if (error.failure != Failure::peerGone) {
      log_.line(LogLevel::error).field("event", "auth helper dies").field("reason", error.detail);
      _exit(1);
    }
    ending_ = true;
    opened_.remove();
  }

  void takeQuestions(const std::shared_ptr<Channel> channel) {
    forgetWhatChanged();
    for (int i = 0; i < questionsAtOnce && channel->answers.empty(); ++i) {
      auto received = receiveQuestion(channel->fd.get());
      if (!received) return hangUp(*channel, received.error());
      if (!received->has_value()) return;
      begin(channel, *std::move(*received));
    }
  }

  void hangUp(Channel& channel, const Error& error) {
    if (error.failure != Failure::peerGone)
      log_.line(LogLevel::error).field("event", "worker is not heard any more").field("reason", error.detail);
    channel.questions.remove();
    channel.room.remove();
    channel.answers.clear();
    (void)shutdown(channel.fd.get(), SHUT_RDWR);  // a login may still have it
    channels_.erase(channel.place);
  }

  void begin(const std::shared_ptr<Channel>& channel, LoginQuestion question) {
    if (logins_.size() >= mostLogins) return answer(*channel, {question.number, LoginVerdict::unavailable});
    const auto place = logins_.emplace(logins_.end(), *this, channel, std::move(question));
    place->place = place;
    ++perSource_[place->source];
    place->task = serve(*place);
    place->task.start(&Helper::onEnd, &*place);
  }

  // Called from inside the coroutine that has ended: it is destroyed later.
  static void onEnd(void* login) noexcept {
    auto* ended = static_cast<Login*>(login);
    Helper& helper = ended->helper;
    if (--helper.perSource_[ended->source] == 0) helper.perSource_.erase(ended->source);
    helper.ended_.splice(helper.ended_.end(), helper.logins_, ended->place);
  }

  Task<void> serve(Login& login) {
    const LoginVerdict verdict = co_await decide(login);
    if (login.delay.count() > 0) co_await Sleep(loop_, in(login.delay));
    answer(*login.channel, {login.number, verdict,
                            verdict == LoginVerdict::accepted ? good(login) : std::chrono::milliseconds(0)});
  }

  std::chrono::milliseconds good(const Login& login) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(memory_.left(login.key, Clock::now()));
    return std::min(left, longestUnasked);
  }

  // False when there is no room for it.  Who left needs no answer.
  static bool deliver(const Channel& channel, LoginAnswer answer) {
    const auto sent = sendAnswer(channel.fd.get(), answer);
    return sent || sent.error().failure != Failure::exhausted;
  }

  // A worker that takes no answers is asked for no questions.
  void answer(Channel& channel, LoginAnswer answer) {
    if (channel.answers.empty() && deliver(channel, answer)) return;
    channel.answers.push_back(answer);
    channel.questions.remove();
    channel.room.add();
  }

  void answerRest(Channel& channel) {
    while (!channel.answers.empty()) {
      if (!deliver(channel, channel.answers.front())) return channel.room.add();
      channel.answers.pop_front();
    }
    channel.questions.add();
  }

  Task<LoginVerdict> decide(Login& login) {
    if (const auto known = settled(login)) co_return *known;
    if (perSource_[login.source] > mostPerSource) co_return LoginVerdict::unavailable;
    waiting_.push_back(&login);
    giveTurns();
    const Wake wake = co_await login.turn.wait(in(longestWait));
    if (login.checker == nullptr) std::erase(waiting_, &login);
    if (wake == Wake::timedOut) co_return LoginVerdict::unavailable;
    // Others of the same source, or with the same password, may have settled it meanwhile.
    auto verdict = settled(login);
    if (!verdict) {
      verdict = co_await login.checker->check(login.request);
      if (*verdict == LoginVerdict::accepted) remember(login);
      if (*verdict == LoginVerdict::rejected) noteFailure(login);
    }
    endTurn(login);
    co_return *verdict;
  }

  std::optional<LoginVerdict> settled(const Login& login) {
    if (failures_.refuses(login.source, Clock::now())) return LoginVerdict::refused;
    if (memory_.left(login.key, Clock::now()).count() > 0) return LoginVerdict::accepted;
    return std::nullopt;
  }

  void remember(const Login& login) {
    // What was checked against a file that has changed meanwhile may have been taken away.
    if (config_.remember.count() == 0 || !(login.stamp == currentStamp())) return;
    memory_.remember(login.key, in(config_.remember));
    // A browser opens many connections at once: one check is enough for all.
    for (Login* other : std::vector<Login*>(waiting_.begin(), waiting_.end())) {
      if (other->key == login.key) other->turn.notify();
    }
  }

  void noteFailure(Login& login) {
    const auto outcome = failures_.note(login.source, hash_.ofUser(login.request.user), Clock::now());
    login.delay = outcome.delay;
    if (outcome.refusedFromNow) {
      log_.line(LogLevel::warning)
          .field("event", "source refused")
          .field("client", login.request.source.toString())
          .field("failures", std::uint64_t{config_.failures})
          .field("seconds", static_cast<std::uint64_t>(config_.refuse.count()));
    }
  }

  // ---- turns ----

  Checker* freeChecker() {
    for (const auto& checker : checkers_) {
      if (!checker->busy) return checker.get();
    }
    return nullptr;
  }

  // A login that gets its turn runs at once and may end it at once; the loop below then goes on, so
  // that a long line never becomes a deep stack.
  void giveTurns() {
    if (givingTurns_) return;
    givingTurns_ = true;
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      Checker* checker = freeChecker();
      if (checker == nullptr) break;
      Login* login = *it;
      if (!busySources_.insert(login->source).second) {
        ++it;
        continue;
      }
      waiting_.erase(it);
      checker->busy = true;
      login->checker = checker;
      login->turn.notify();  // may change the line
      it = waiting_.begin();
    }
    givingTurns_ = false;
  }

  void endTurn(Login& login) {
    if (login.checker == nullptr) return;
    std::exchange(login.checker, nullptr)->busy = false;
    busySources_.erase(login.source);
    giveTurns();
  }

  // They were forked with the old log.
  void renewCheckers() {
    for (const auto& checker : checkers_) checker->renew();
  }

  FileStamp currentStamp() const {
    return config_.passwordFile.empty() ? FileStamp() : FileStamp::of(config_.passwordFile);
  }

  // A changed file may have taken a login away that is remembered.
  void forgetWhatChanged() {
    const FileStamp now = currentStamp();
    if (now == stamp_) return;
    stamp_ = now;
    memory_.clear();
  }

  const AuthConfig& config_;
  const Log& log_;
  Fd questions_;
  EventLoop loop_;
  KeyedHash hash_;
  LoginMemory memory_;
  FailureTable failures_;
  FileStamp stamp_;
  std::vector<std::unique_ptr<Checker>> checkers_;
  LogFollower follower_;
  std::list<std::shared_ptr<Channel>> channels_;
  std::list<Login> logins_;
  std::list<Login> ended_;
  std::list<Login*> waiting_;     // for a turn, the oldest first
  std::set<Digest> busySources_;  // whose login a checker looks at
  std::unordered_map<Digest, std::size_t, DigestHash> perSource_;
  Event opened_;
  bool givingTurns_ = false;
  bool ending_ = false;
};

// A password file needs the right to read it; PAM modules may need whatever root has.
Result<void> confine(const AuthConfig& config) {
  hideMemory();
  if (!config.pam.empty()) return {};
  return keepOnlyCapabilities({CAP_DAC_READ_SEARCH});
}

}  // namespace

void runAuthHelper(const AuthConfig& config, const Log& log, Fd questions, Fd logNews) {
  ignoreMastersSignals();
  signal(SIGCHLD, SIG_IGN);  // the kernel buries the checkers
  if (const auto confined = confine(config); !confined) {
    log.line(LogLevel::error)
        .field("event", "auth helper cannot drop privileges")
        .field("reason", confined.error().detail);
    _exit(1);
  }
  Helper(config, log, std::move(questions), std::move(logNews)).run();
}

}  // namespace crossgate
