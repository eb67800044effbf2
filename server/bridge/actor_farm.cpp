#include "server/bridge/actor_farm.hpp"

#include "protocol/gauge_round.hpp"
#include "server/bridge/answer_desk.hpp"
#include "server/bridge/ask.hpp"
#include "server/websocket/frame_queue.hpp"

#include <caf/actor_cast.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <caf/typed_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <boost/asio/this_coro.hpp>

#include <memory>
#include <optional>

namespace assay::server {

namespace {

template <class T>
using awaitable = boost::asio::awaitable<T>;

/// Of a plan, each of whose parts is admitted as a dry run.
constexpr milliseconds longest_pricing{120'000};

fault stopped() { return {errc::shutting_down, "the farm is stopping", {}, "try again later"}; }

/// EVENT SINK of one WebSocket: passes frames into its queue and watches the hub that sends them.
event_sink_actor::behavior_type event_sink(event_sink_actor::pointer self, const event_hub_actor& hub,
                                           const std::shared_ptr<frame_queue>& queue) {
  self->monitor(hub);
  self->set_down_handler([queue](const caf::down_msg&) { queue->lose_source(); });
  return {
      [queue](const frame_batch& batch) { queue->push_live(batch.frames); },
  };
}

using collector_actor = caf::typed_actor<caf::replies_to<read_gauges>::with<gauges>>;

/// Asks all parts of the farm at once, so that the slowest alone decides how long it takes.
collector_actor::behavior_type gauge_collector(collector_actor::pointer self, const farm_handles& farm) {
  return {
      [self, farm](const read_gauges& asked) {
        gauge_round round(self, gauges{}, asked.patience);
        round.ask(farm.journal, "journal");
        round.ask(farm.event_hub, "event_hub");
        round.ask(farm.monitor, "monitor");
        round.ask(farm.providers, "provider_supervisor");
        round.ask(farm.router, "model_router");
        round.ask(farm.batches, "batch_desk");
        round.ask(farm.cache, "response_cache");
        round.ask(farm.budgets, "budget_keeper");
        round.ask(farm.runs, "run_supervisor");
        round.ask(farm.ab_tests, "ab_test_supervisor");
        round.ask(farm.experiments, "experiment_supervisor");
        round.ask(farm.gateway, "gateway");
        round.ask(farm.sandbox, "sandbox");
        round.ask(farm.python, "python_host");
        return round.answer();
      },
  };
}

class sink_listener : public event_listener {
public:
  sink_listener(caf::actor_system& system, event_hub_actor hub, const std::shared_ptr<frame_queue>& queue)
      : system_(system), hub_(std::move(hub)), sink_(system.spawn(event_sink, hub_, queue)) {}

  ~sink_listener() override { caf::anon_send_exit(sink_, caf::exit_reason::user_shutdown); }

  sink_listener(const sink_listener&) = delete;
  sink_listener& operator=(const sink_listener&) = delete;

  awaitable<result<subscribed>> subscribe(run_id run) override {
    assay::subscribe message{run, sink_};
    co_return co_await ask<subscribed>(system_, hub_, std::move(message));
  }

  void unsubscribe(run_id run) override { caf::anon_send(hub_, assay::unsubscribe{run, sink_}); }

private:
  caf::actor_system& system_;
  event_hub_actor hub_;
  event_sink_actor sink_;
};

class actor_farm : public farm_access {
public:
  actor_farm(caf::actor_system& system, root_supervisor_actor root)
      : system_(system), root_(std::move(root)) {}

  answer<run_submitted> submit(submit_run message) override {
    return through<run_submitted>(&farm_handles::runs, std::move(message));
  }
  answer<run_record> command(command_run message) override {
    return through<run_record>(&farm_handles::runs, message);
  }
  answer<run_record> find(find_run message) override {
    return through<run_record>(&farm_handles::runs, message);
  }
  answer<run_counts> count() override { return through<run_counts>(&farm_handles::runs, count_runs{}); }
  answer<statistics> read_statistics() override {
    return through<statistics>(&farm_handles::monitor, assay::read_statistics{},
                               assay::read_gauges{}.patience);
  }
  answer<monitoring::monitor_view> read_monitor() override {
    return through<monitoring::monitor_view>(&farm_handles::monitor, assay::read_monitor{});
  }
  answer<monitoring::alert> acknowledge(acknowledge_alert message) override {
    return through<monitoring::alert>(&farm_handles::monitor, std::move(message));
  }
  answer<monitoring::thresholds> change(change_thresholds message) override {
    return through<monitoring::thresholds>(&farm_handles::monitor, std::move(message));
  }
  answer<budget_states> read_budgets() override {
    return through<budget_states>(&farm_handles::budgets, assay::read_budgets{});
  }
  answer<keys_known> read_keys() override {
    return through<keys_known>(&farm_handles::monitor, assay::read_keys{});
  }
  answer<monitoring::routing_view> read_routing() override {
    return through<monitoring::routing_view>(&farm_handles::router, assay::read_routing{});
  }
  answer<monitoring::route_view> change(change_routing message) override {
    return through<monitoring::route_view>(&farm_handles::router, std::move(message));
  }
  answer<retry_report> read_retries() override {
    return through<retry_report>(&farm_handles::monitor, assay::read_retries{});
  }
  answer<ab_answer> ask_tests(ask_ab_test message) override {
    return through<ab_answer>(&farm_handles::ab_tests, std::move(message));
  }
  answer<experiment_answer> ask_experiments(ask_experiment message) override {
    const bool prices = message.verb == experiment_verb::create || message.verb == experiment_verb::plan;
    return through<experiment_answer>(&farm_handles::experiments, std::move(message),
                                      prices ? longest_pricing : longest_ask);
  }
  answer<schedule_answer> ask_schedules(ask_schedule message) override {
    return through<schedule_answer>(&farm_handles::schedules, std::move(message));
  }
  answer<void> observe(observe_calls message) override {
    auto found = co_await current();
    if (!found)
      co_return found.error();
    if (!found->monitor)
      co_return stopped();
    caf::anon_send(found->monitor, std::move(message));
    co_return result<void>{};
  }

  answer<void> write(std::vector<document_change> changes) override {
    append_and_wait message;
    message.batch.documents = std::move(changes);
    auto done = co_await through<committed>(&farm_handles::journal, std::move(message));
    if (!done)
      co_return done.error();
    if (done->error)
      co_return *done->error;
    co_return result<void>{};
  }

  answer<gauges> read_gauges() override {
    auto found = co_await current();
    if (!found)
      co_return found.error();
    const assay::read_gauges message{};
    auto heard = co_await ask<gauges>(system_, system_.spawn(gauge_collector, *found), message);
    // Whoever is lost has a successor, which the root knows.
    if (heard && !heard->silent.empty())
      handles_.reset();
    co_return std::move(heard);
  }

  answer<std::unique_ptr<asked_question>> ask_model(model_question question) override {
    if (desk_ && desk_->lost()) {
      desk_.reset();
      handles_.reset();
    }
    auto found = co_await current();
    if (!found)
      co_return found.error();
    if (!found->gateway)
      co_return stopped();
    if (!desk_ || desk_->gateway() != found->gateway) {
      const auto executor = co_await boost::asio::this_coro::executor;
      desk_ = std::make_shared<answer_desk>(system_, found->gateway, executor);
    }
    co_return desk_->ask(std::move(question));
  }

  boost::asio::awaitable<std::unique_ptr<event_listener>>
  listen(std::shared_ptr<frame_queue> queue) override {
    // Asked anew: whoever has lost the hub must not be given the same one again.
    handles_.reset();
    auto found = co_await current();
    if (!found || !found->event_hub)
      co_return nullptr;
    co_return std::make_unique<sink_listener>(system_, found->event_hub, queue);
  }

  void drop() noexcept override {
    dropped_ = true;
    handles_.reset();
    if (desk_)
      desk_->close();
    desk_.reset();
    root_ = nullptr;
  }

private:
  /// The farm's actors as last heard of.
  awaitable<result<farm_handles>> current() {
    if (dropped_)
      co_return stopped();
    if (handles_)
      co_return *handles_;
    auto found = co_await ask<farm_handles>(system_, root_, find_farm{});
    if (!found)
      co_return found.error();
    if (dropped_)
      co_return stopped();
    handles_ = *found;
    co_return *handles_;
  }

  /// Asks one of the farm's actors. When it was lost, the next question goes to its successor; the question
  /// itself is not repeated, since it may have been acted upon.
  template <class Reply, class Handle, class Message>
  awaitable<result<Reply>> through(Handle farm_handles::*which, Message message,
                                   milliseconds timeout = longest_ask) {
    auto found = co_await current();
    if (!found)
      co_return found.error();
    auto heard = co_await ask<Reply>(system_, (*found).*which, std::move(message), timeout);
    if (!heard && heard.error().code == errc::actor_lost)
      handles_.reset();
    co_return std::move(heard);
  }

  caf::actor_system& system_;
  root_supervisor_actor root_;
  std::optional<farm_handles> handles_;
  std::shared_ptr<answer_desk> desk_; ///< Of the gateway as last heard of.
  bool dropped_ = false;
};

} // namespace

std::unique_ptr<farm_access> make_actor_farm(caf::actor_system& system, root_supervisor_actor root) {
  return std::make_unique<actor_farm>(system, std::move(root));
}

} // namespace assay::server
