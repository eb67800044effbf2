#include "server/bridge/answer_desk.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <caf/typed_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

namespace assay::server {

namespace asio = boost::asio;

namespace {

/// The gateway answers in time whatever happens; this is for the case that it does not.
constexpr milliseconds patience_beyond{10'000};

/// The way to the edge's thread, which ends before the actors do.
class edge_door {
public:
  explicit edge_door(const asio::any_io_executor& edge) : edge_(edge) {}

  template <class Work>
  void post(Work work) {
    const std::lock_guard lock{mutex_};
    if (edge_)
      asio::post(*edge_, std::move(work));
  }

  /// Nothing is posted once this has returned.
  void shut() noexcept {
    const std::lock_guard lock{mutex_};
    edge_.reset();
  }

private:
  std::mutex mutex_;
  std::optional<asio::any_io_executor> edge_;
};

fault lost_question() {
  return {errc::actor_lost, "the farm lost the question and restarts a part", {}, "ask again"};
}

} // namespace

/// Used on the edge's thread only, but for its door.
struct answer_desk::core {
  explicit core(const asio::any_io_executor& edge) : executor(edge), door(edge) {}

  /// What has come for one question and was not fetched yet.
  struct place {
    explicit place(const asio::any_io_executor& on) : wake(on) {}

    std::vector<answer_delta> pieces;
    uint64_t bytes = 0; ///< Of the pieces, as the wire counts them.
    std::optional<call_outcome> outcome;
    std::optional<fault> over; ///< Why nothing will come any more.
    asio::steady_timer wake;

    bool has_news() const noexcept { return outcome || over || !pieces.empty(); }
    void tell() { wake.cancel(); }
  };

  asio::any_io_executor executor;
  edge_door door;
  std::unordered_map<call_id, place*> open;
  bool lost = false;

  void deliver(call_outcome_batch& batch) {
    for (auto& outcome : batch.outcomes) {
      const auto found = open.find(outcome.id);
      if (found == open.end())
        continue;
      found->second->outcome = std::move(outcome);
      found->second->tell();
    }
  }

  void deliver(call_delta& delta) {
    const auto found = open.find(delta.id);
    if (found == open.end())
      return;
    auto& where = *found->second;
    where.bytes += delta.bytes;
    for (auto& piece : delta.pieces)
      where.pieces.push_back(std::move(piece));
    where.tell();
  }

  void end(const fault& reason) {
    lost = true;
    for (auto& [id, where] : open)
      if (!where->outcome && !where->over) {
        where->over = reason;
        where->tell();
      }
  }
};

/// One question that a session waits for.
class answer_desk::ticket : public asked_question {
public:
  ticket(std::shared_ptr<core> core, gateway_actor gateway, call_id id, milliseconds timeout)
      : core_(std::move(core)), gateway_(std::move(gateway)), id_(id), timeout_(timeout),
        place_(core_->executor) {
    core_->open.emplace(id_, &place_);
  }

  ~ticket() override {
    core_->open.erase(id_);
    if (!ended_ && !core_->lost)
      caf::anon_send(gateway_, withdraw_questions{{id_}});
  }

  ticket(const ticket&) = delete;
  ticket& operator=(const ticket&) = delete;

  asio::awaitable<result<answer_news>> next() override {
    if (taken_ > 0 && !core_->lost)
      caf::anon_send(gateway_, deltas_taken{id_, std::exchange(taken_, 0)});
    boost::system::error_code error;
    if (!place_.has_news()) {
      // Who tells of news ends the wait; its own end is the last resort.
      place_.wake.expires_after(timeout_ + patience_beyond);
      co_await place_.wake.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }
    if (!place_.has_news())
      co_return fault{errc::deadline_exceeded, "the gateway did not answer", {}, "try again"};
    if (place_.over && place_.pieces.empty()) {
      ended_ = ended_ || place_.over->code != errc::cancelled;
      co_return *place_.over;
    }
    answer_news news;
    news.pieces = std::exchange(place_.pieces, {});
    taken_ = std::exchange(place_.bytes, 0);
    news.outcome = std::exchange(place_.outcome, std::nullopt);
    ended_ = ended_ || news.outcome.has_value();
    co_return std::move(news);
  }

  void abandon() override {
    if (place_.outcome || place_.over)
      return;
    place_.over = fault{errc::cancelled, "the caller has gone", {}, {}};
    place_.tell();
  }

private:
  std::shared_ptr<core> core_;
  gateway_actor gateway_;
  call_id id_;
  milliseconds timeout_;
  core::place place_;
  uint64_t taken_ = 0;
  bool ended_ = false;
};

namespace {

/// ANSWER SINK of the edge: hands on what it hears.
template <class Core>
answer_sink_actor::behavior_type answer_sink(answer_sink_actor::pointer self, const gateway_actor& gateway,
                                             const std::shared_ptr<Core>& core) {
  self->monitor(gateway);
  self->set_down_handler(
      [core](const caf::down_msg&) { core->door.post([core] { core->end(lost_question()); }); });
  return {
      [core](call_outcome_batch& batch) {
        core->door.post([core, batch = std::move(batch)]() mutable { core->deliver(batch); });
      },
      [core](call_delta& delta) {
        core->door.post([core, delta = std::move(delta)]() mutable { core->deliver(delta); });
      },
  };
}

} // namespace

answer_desk::answer_desk(caf::actor_system& system, gateway_actor gateway, const asio::any_io_executor& edge)
    : core_(std::make_shared<core>(edge)), gateway_(std::move(gateway)),
      sink_(system.spawn(answer_sink<core>, gateway_, core_)) {}

answer_desk::~answer_desk() { close(); }

bool answer_desk::lost() const noexcept { return core_->lost; }

std::unique_ptr<asked_question> answer_desk::ask(model_question question) {
  // An actor's id is unique in the process, so its questions are too.
  const call_id id{(static_cast<uint64_t>(sink_.id()) << 32) + ++next_question_};
  question.request.id = id;
  auto out = std::make_unique<ticket>(core_, gateway_, id, question.request.timeout);
  ask_models message;
  message.questions.push_back(std::move(question));
  message.sink = sink_;
  caf::anon_send(gateway_, std::move(message));
  return out;
}

void answer_desk::close() noexcept {
  core_->door.shut();
  core_->end({errc::shutting_down, "the farm is stopping", {}, "try again later"});
  if (sink_)
    caf::anon_send_exit(sink_, caf::exit_reason::user_shutdown);
  sink_ = nullptr;
  gateway_ = nullptr;
}

} // namespace assay::server
