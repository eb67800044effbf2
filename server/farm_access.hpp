#pragma once

#include "core/values/errors.hpp"
#include "protocol/messages/ab_tests.hpp"
#include "protocol/messages/budgets.hpp"
#include "protocol/messages/events.hpp"
#include "protocol/messages/experiments.hpp"
#include "protocol/messages/gateway.hpp"
#include "protocol/messages/journal.hpp"
#include "protocol/messages/key_health.hpp"
#include "protocol/messages/monitor_verbs.hpp"
#include "protocol/messages/monitoring.hpp"
#include "protocol/messages/routing.hpp"
#include "protocol/messages/runs.hpp"
#include "protocol/messages/schedules.hpp"

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <optional>
#include <vector>

namespace assay::server {

class frame_queue;

/// Hears what happens to runs, for one WebSocket. Used on the edge's thread; frames arrive in the queue from
/// elsewhere. Ends with its destructor.
class event_listener {
public:
  virtual ~event_listener() = default;
  /// From now on live frames of @p run with a higher sequence number than the answer's go into the queue.
  virtual boost::asio::awaitable<result<subscribed>> subscribe(run_id run) = 0;
  virtual void unsubscribe(run_id run) = 0;
};

/// What came of a question since it was last asked.
struct answer_news {
  std::vector<answer_delta> pieces;    ///< Of a streamed answer.
  std::optional<call_outcome> outcome; ///< Set at the end; nothing comes after it.
};

/// A question to a model, on its way. Used on the edge's thread. Whoever lets go of it before its end
/// withdraws it.
class asked_question {
public:
  virtual ~asked_question() = default;
  /// Waits until there is something new, at most for the question's own time. Pieces that were handed out
  /// before count as taken: as many more may come. @returns errc::actor_lost or errc::shutting_down when the
  /// farm lost the question, errc::cancelled after abandon().
  virtual boost::asio::awaitable<result<answer_news>> next() = 0;
  /// The caller has gone: who waits in next() is told so.
  virtual void abandon() = 0;
};

/// What the edge asks of the farm. Every call ends within five seconds.
class farm_access {
public:
  template <class T>
  using answer = boost::asio::awaitable<result<T>>;

  virtual ~farm_access() = default;

  virtual answer<run_submitted> submit(submit_run message) = 0;
  virtual answer<run_record> command(command_run message) = 0;
  virtual answer<run_record> find(find_run message) = 0;
  virtual answer<run_counts> count() = 0;
  /// Makes documents durable, all or none. @returns errc::conflict when a condition does not hold.
  virtual answer<void> write(std::vector<document_change> changes) = 0;
  /// Waits a second at most.
  virtual answer<statistics> read_statistics() = 0;
  /// Everything the monitor knows now.
  virtual answer<monitoring::monitor_view> read_monitor() = 0;
  virtual answer<monitoring::alert> acknowledge(acknowledge_alert message) = 0;
  /// @returns what holds from now on, durably.
  virtual answer<monitoring::thresholds> change(change_thresholds message) = 0;
  /// The budgets of now, but those of runs.
  virtual answer<budget_states> read_budgets() = 0;
  /// Keys of providers, as these have told of them.
  virtual answer<keys_known> read_keys() = 0;
  /// The routes, and what the router has seen of models.
  virtual answer<monitoring::routing_view> read_routing() = 0;
  /// @returns the route as it is from now on, durably.
  virtual answer<monitoring::route_view> change(change_routing message) = 0;
  /// Retries by provider, error and strategy, and what to do about them.
  virtual answer<retry_report> read_retries() = 0;
  /// Asks for, or changes, A/B tests. What it changes is durable when it answers.
  virtual answer<ab_answer> ask_tests(ask_ab_test message) = 0;
  /// The same of experiments. Creating and planning price every part first, and may take two minutes.
  virtual answer<experiment_answer> ask_experiments(ask_experiment message) = 0;
  /// Asks for, or changes, schedules. What it changes is durable when it answers.
  virtual answer<schedule_answer> ask_schedules(ask_schedule message) = 0;
  /// Hands calls that were made elsewhere to the monitor, which does not answer.
  virtual answer<void> observe(observe_calls message) = 0;
  /// The numbers of every actor that answers within a second; how many do not is said too.
  virtual answer<gauges> read_gauges() = 0;
  /// Puts a question to a model; its call needs no id.
  virtual answer<std::unique_ptr<asked_question>> ask_model(model_question question) = 0;
  /// @returns nothing when the farm is not there at the moment.
  virtual boost::asio::awaitable<std::unique_ptr<event_listener>>
  listen(std::shared_ptr<frame_queue> queue) = 0;

  /// Lets go of every actor. Later calls answer errc::shutting_down.
  virtual void drop() noexcept = 0;
};

} // namespace assay::server
