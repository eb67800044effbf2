#include "tests/server/fake_farm.hpp"

#include "protocol/actors.hpp"
#include "protocol/errors.hpp"
#include "protocol/system.hpp"
#include "server/auth/passwords.hpp"
#include "server/bridge/actor_farm.hpp"
#include "storage/snapshot.hpp"
#include "storage/test_counts.hpp"
#include "storage/writer.hpp"
#include "tests/server/fake_batch.hpp"
#include "tests/server/fake_gateway.hpp"

#include <caf/actor_system.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <filesystem>
#include <future>
#include <map>
#include <mutex>
#include <stdexcept>

namespace assay::server::test {

namespace {

struct config : protocol_config {
  config() {
    set("scheduler.max-threads", 2);
    set("logger.console", caf::atom("none"));
  }
};

} // namespace

struct fake_farm::implementation {
  config settings;
  caf::actor_system system{settings};
  std::string folder;
  std::shared_ptr<storage::store> store;
  std::unique_ptr<storage::writer> writer;

  std::mutex mutex; ///< Guards everything below.
  uint64_t tickets = 0;
  uint32_t runs_made = 0;
  std::map<uint64_t, std::promise<storage::ticket_report>> waiting;
  std::vector<std::pair<run_id, event_sink_actor>> sinks;
  std::vector<submit_run> submitted;
  std::vector<command_run> commands;
  std::vector<call_observation> observed;
  monitoring::monitor_view view;
  monitoring::routing_view routing;
  std::vector<change_routing> routing_changes;
  std::vector<ask_experiment> experiment_questions;
  std::map<std::string, run_id> by_key;
  fake_gateway gateway;
  farm_handles handles;
  root_supervisor_actor root;

  storage::ticket_report commit(storage::write_batch batch);
  run_record find(run_id run);
  run_record put(run_record record);
  void publish(const frame& one);
  void spawn_hub();
  void spawn_runs();
  void spawn_journal();
  void spawn_router();
  void spawn_experiments();
  void spawn_root();
};

storage::ticket_report fake_farm::implementation::commit(storage::write_batch batch) {
  std::future<storage::ticket_report> answer;
  {
    const std::lock_guard lock{mutex};
    batch.ticket = ++tickets;
    answer = waiting[batch.ticket].get_future();
  }
  if (auto taken = writer->submit(std::move(batch)); !taken)
    throw std::runtime_error(to_string(taken.error()));
  return answer.get();
}

run_record fake_farm::implementation::find(run_id run) {
  auto view = storage::snapshot::open(store);
  return view.value().find_run(run).value().value();
}

run_record fake_farm::implementation::put(run_record record) {
  storage::write_batch batch;
  batch.runs.push_back(record);
  commit(std::move(batch));
  return record;
}

void fake_farm::implementation::publish(const frame& one) {
  const std::lock_guard lock{mutex};
  for (const auto& [run, sink] : sinks)
    if (run == one.run)
      caf::anon_send(sink, frame_batch{{one}});
}

// -- the actors -----------------------------------------------------------------------------------------

void fake_farm::implementation::spawn_journal() {
  const auto behave = [this](journal_actor::pointer) -> journal_actor::behavior_type {
    return {
        [](const append&) {},
        [this](const append_and_wait& asked) -> caf::result<committed> {
          storage::write_batch batch;
          for (const auto& change : asked.batch.documents) {
            storage::document_condition condition;
            if (change.only_if_absent)
              condition = storage::document_condition::if_absent();
            if (change.only_if_equals)
              condition = storage::document_condition::if_bytes(*change.only_if_equals);
            batch.documents.push_back(
                {*storage::table_from_string(change.table), change.key, change.value, condition});
          }
          const auto report = commit(std::move(batch));
          return committed{asked.batch.watermark, 0, report.error};
        },
        [](const flush_journal&) -> caf::result<committed> { return committed{}; },
        [](const read_gauges&) -> caf::result<gauges> {
          return gauges{{{metric::journal_batches_total, {}, 7}}, {}};
        },
        [](const writer_reported&) {},
        [](const tick&) {},
    };
  };
  handles.journal = system.spawn(behave);
}

void fake_farm::implementation::spawn_hub() {
  const auto behave = [this](event_hub_actor::pointer) -> event_hub_actor::behavior_type {
    return {
        [](const assay::publish_events&) {},
        [](const assay::publish_progress&) {},
        [this](const subscribe& asked) -> caf::result<subscribed> {
          const std::lock_guard lock{mutex};
          sinks.emplace_back(asked.run, asked.sink);
          // The farm's own hub does not know what happened while nobody listened either.
          return subscribed{asked.run, 0};
        },
        [this](const unsubscribe& asked) {
          const std::lock_guard lock{mutex};
          std::erase_if(sinks,
                        [&](const auto& one) { return one.first == asked.run && one.second == asked.sink; });
        },
        [](const read_gauges&) -> caf::result<gauges> {
          return gauges{{{metric::event_subscribers, {}, 1}}, {}};
        },
        [](const tick&) {},
    };
  };
  handles.event_hub = system.spawn(behave);
}

void fake_farm::implementation::spawn_runs() {
  const auto behave = [this](run_supervisor_actor::pointer) -> run_supervisor_actor::behavior_type {
    return {
        [this](const submit_run& asked) -> caf::result<run_submitted> {
          for (size_t i = 0; i < asked.request.tasks.size(); ++i)
            if (asked.request.tasks[i].value == "missing")
              return to_caf_error({errc::not_found, "there is no task 'missing'",
                                   "task_ids[" + std::to_string(i) + "]", "GET /tasks lists them"});
          if (asked.request.kind == run_kind::llm_batch && asked.request.model.value == "missing")
            return to_caf_error({errc::not_found, "no model is called `missing`", "model_id", {}});
          if (asked.request.model.value == "without-key")
            return to_caf_error({errc::credentials_rejected, "provider deepseek has no key", "provider",
                                 "set DEEPSEEK_API_KEY"});
          run_submitted out;
          out.calls = 10;
          out.estimated_cost = money{1'500'000'000};
          out.notes = asked.request.notes;
          const auto key = asked.owner.value + "/" + asked.idempotency_key;
          {
            const std::lock_guard lock{mutex};
            submitted.push_back(asked);
            out.existed = !asked.idempotency_key.empty() && by_key.contains(key);
          }
          if (out.existed) {
            out.record = find(by_key.at(key));
            return out;
          }
          out.record.spec.id = run_id{1'700'000'000, 0xA0000000U + ++runs_made};
          out.record.spec.owner = asked.owner;
          out.record.spec.model = asked.request.model;
          out.record.spec.kind = asked.request.kind;
          out.record.spec.output_path = asked.request.output_path;
          out.record.spec.log_samples = asked.request.log_samples;
          for (const auto& id : asked.request.tasks)
            out.record.spec.tasks.emplace_back().id = id;
          out.record.spec.created_at = wall_time{seconds{1'704'110'400}};
          out.dry_run = asked.request.dry_run;
          if (out.dry_run)
            return out;
          by_key[key] = out.record.spec.id;
          if (asked.request.kind == run_kind::llm_batch)
            commit(answered_batch(asked, out.record));
          else
            put(out.record);
          return out;
        },
        [this](const command_run& asked) -> caf::result<run_record> {
          {
            const std::lock_guard lock{mutex};
            commands.push_back(asked);
          }
          auto record = find(asked.run);
          if (asked.verb == run_verb::retry && record.state == run_state::completed
              && record.progress.failed == 0)
            return record;
          if (asked.verb == run_verb::purge || asked.verb == run_verb::redact) {
            if (!is_final(record.state))
              return to_caf_error({errc::invalid_transition, "it has not ended", to_string(asked.run), {}});
            storage::write_batch batch;
            if (asked.verb == run_verb::purge) {
              batch.erased_runs.push_back(asked.run);
            } else {
              record.redacted_at = wall_time{seconds{1'704'110'500}};
              batch.runs.push_back(record);
              batch.redacted_runs.push_back(asked.run);
            }
            commit(std::move(batch));
            return record;
          }
          if (is_final(record.state) && asked.verb != run_verb::retry)
            return to_caf_error(
                {errc::invalid_transition, "the evaluation has ended", to_string(asked.run), {}});
          constexpr run_state states[] = {run_state::paused, run_state::running, run_state::cancelled,
                                          run_state::queued};
          record.state = states[static_cast<size_t>(asked.verb) - 1];
          return put(record);
        },
        [this](const find_run& asked) -> caf::result<run_record> {
          auto record = find(asked.run);
          record.progress.done += 1000; // The farm knows more than the store.
          record.progress.total += 2000;
          return record;
        },
        [](const count_runs&) -> caf::result<run_counts> {
          return run_counts{1, 2, 3};
        },
        [](const read_gauges&) -> caf::result<gauges> {
          return gauges{{{metric::evaluations, {"active"}, 2},
                         {metric::provider_waiting_calls, {"open\\ai", "gpt \"quoted\"\n"}, 3}},
                        {{"rate_limiter", 2}}};
        },
        [](const drain&) {},
        [](const open_runs_found&) {},
        [](const run_reported&) {},
        [](const run_pinned&) {},
        [](const expired_runs_found&) {},
        [](const preparation_ended&) {},
        [](const tick&) {},
    };
  };
  handles.runs = system.spawn(behave);
}

void fake_farm::implementation::spawn_experiments() {
  const auto behave = [this](experiment_supervisor_actor::pointer) {
    return experiment_supervisor_actor::behavior_type{
        [this](const ask_experiment& wish) -> caf::result<experiment_answer> {
          const std::lock_guard lock{mutex};
          experiment_questions.push_back(wish);
          if (wish.experiment == "missing")
            return to_caf_error({errc::not_found, "there is no experiment 'missing'", {}, {}});
          if (wish.verb == experiment_verb::list)
            return experiment_answer{
                R"([{"experiment_id":"x","state":"running"},{"experiment_id":"y","state":"failed"}])", 0};
          if (wish.verb == experiment_verb::plan)
            return experiment_answer{R"({"dry_run":true,"total_children":4})", 0};
          return experiment_answer{R"({"experiment_id":"x","state":"running"})", 3};
        },
        [](const read_gauges&) -> caf::result<gauges> { return gauges{}; },
        [](const experiments_recalled&) {},
        [](const experiment_changed&) {},
        [](const tick&) {},
    };
  };
  handles.experiments = system.spawn(behave);
}

void fake_farm::implementation::spawn_router() {
  const auto behave = [this](model_router_actor::pointer) -> model_router_actor::behavior_type {
    return {
        [](const open_lane&) {},
        [](const call_batch&) {},
        [](const withdraw_calls&) {},
        [](const recall_calls&) {},
        [](const deltas_taken&) {},
        [](const close_lane&) {},
        [](const call_outcome_batch&) {},
        [](const lane_credit&) {},
        [](const call_delta&) {},
        [](const calls_on_the_wire&) {},
        [](const provider_up&) {},
        [](const lease_granted&) {},
        [](const lease_refused&) {},
        [](const lease_recalled&) {},
        [](const read_gauges&) -> caf::result<gauges> { return gauges{}; },
        [this](const read_routing&) -> caf::result<monitoring::routing_view> {
          const std::lock_guard lock{mutex};
          return routing;
        },
        [this](const change_routing& wish) -> caf::result<monitoring::route_view> {
          const std::lock_guard lock{mutex};
          routing_changes.push_back(wish);
          for (auto& one : routing.routes)
            if (one.route == wish.route) {
              one.strategy = wish.strategy.value_or(one.strategy);
              one.changed = true;
              one.changed_by = wish.who.value;
              return one;
            }
          return to_caf_error({errc::not_found, "there is no such route", "route", {}});
        },
        [](const tick&) {},
    };
  };
  handles.router = system.spawn(behave);
}

void fake_farm::implementation::spawn_root() {
  const auto behave_monitor = [this](monitor_actor::pointer) -> monitor_actor::behavior_type {
    return {
        [this](const observe_calls& seen) {
          const std::lock_guard lock{mutex};
          observed.insert(observed.end(), seen.calls.begin(), seen.calls.end());
        },
        [](const observe_quality&) {},
        [](const observe_budgets&) {},
        [](const read_statistics&) -> caf::result<statistics> {
          model_statistics one;
          one.model = model_id{"gpt \"quoted\"\n"};
          one.provider = provider_id{"openai"};
          one.calls = 12;
          one.errors["rate_limited"] = 2;
          one.latency_p50_ms = 250;
          return statistics{{one}};
        },
        [this](const read_monitor&) -> caf::result<monitoring::monitor_view> {
          const std::lock_guard lock{mutex};
          return view;
        },
        [this](const change_thresholds& wish) -> caf::result<monitoring::thresholds> {
          const std::lock_guard lock{mutex};
          auto limits = monitoring::changed(view.limits, std::string_view{wish.change});
          if (!limits)
            return to_caf_error(limits.error());
          return view.limits = *limits;
        },
        [this](const acknowledge_alert& wish) -> caf::result<monitoring::alert> {
          const std::lock_guard lock{mutex};
          for (auto& one : view.alerts)
            if (one.id == wish.alert) {
              one.state = monitoring::alert_state::acknowledged;
              one.acknowledged_by = wish.who.value;
              one.acknowledged_at = one.opened_at;
              return one;
            }
          return to_caf_error({errc::not_found, "there is no such alert", "id", {}});
        },
        [](const read_gauges&) -> caf::result<gauges> {
          return gauges{{{metric::alerts, {"open"}, 2}}, {}};
        },
        [](const read_retries&) -> caf::result<retry_report> {
          return retry_report{
              R"({"timestamp":"2024-01-01T12:00:00Z","providers":[],"retries":[],"advice":[],)"
              R"("recent":[]})"};
        },
        [](const provider_met&) {},
        [](const provider_checked&) {},
        [](const keys_told&) {},
        [](const read_keys&) -> caf::result<keys_known> {
          key_health out;
          out.name = "#2";
          out.fingerprint = "0123abcd";
          out.out = fault{errc::quota_exhausted, "no credit left", {}, {}};
          out.next_try = wall_time{seconds{1'704'153'600}};
          out.day = wall_time{seconds{1'704'067'200}};
          out.requests = 12;
          out.tokens = 3'400;
          out.cost = from_dollars(0.25);
          key_at_model at;
          at.model = model_id{"gpt-4o"};
          at.window = 8;
          at.limits = {{"requests_per_minute", 500, 499, true}};
          out.models = {at};
          return keys_known{{{provider_id{"openai"}, {out}}}};
        },
        [](const statistics_recalled&) {},
        [](const expired_statistics_found&) {},
        [](const tick&) {},
    };
  };
  handles.monitor = system.spawn(behave_monitor);
  const auto behave_budgets = [](budget_keeper_actor::pointer) -> budget_keeper_actor::behavior_type {
    return {
        [](const committed&) {},
        [](const request_lease&) {},
        [](const leases_settled&) {},
        [](const take_over_leases&) {},
        [](const read_budgets&) -> caf::result<budget_states> {
          budget_states out;
          out.budgets.push_back({"model_day", "gpt-4o", from_dollars(50), from_dollars(12.5),
                                 from_dollars(0.5), wall_time{seconds{1'704'153'600}}, from_dollars(40)});
          return out;
        },
        [](const read_gauges&) -> caf::result<gauges> { return gauges{}; },
        [](const run_cost_found&) {},
        [](const tick&) {},
    };
  };
  handles.budgets = system.spawn(behave_budgets);
  const auto behave = [this](root_supervisor_actor::pointer) -> root_supervisor_actor::behavior_type {
    return {
        [this](const find_farm&) -> caf::result<farm_handles> {
          const std::lock_guard lock{mutex};
          return handles;
        },
        [](const stop_farm&) -> caf::result<farm_stopped> { return farm_stopped{}; },
        [](const tick&) {},
    };
  };
  root = system.spawn(behave);
}

fake_farm::fake_farm() : implementation_(std::make_unique<implementation>()) {
  auto& state = *implementation_;
  prepare_crypto();
  state.folder = (std::filesystem::temp_directory_path() / ("assay-edge-" + random_hex(8))).string();
  storage::store_options options;
  options.folder = state.folder;
  options.map_size = size_t{1} << 30;
  options.durable = false;
  state.store = storage::store::open(options).value();
  state.writer = storage::writer::start(state.store, {}, [&state](storage::commit_report&& report) {
                   const std::lock_guard lock{state.mutex};
                   for (auto& ticket : report.tickets)
                     if (const auto it = state.waiting.find(ticket.ticket); it != state.waiting.end()) {
                       it->second.set_value(std::move(ticket));
                       state.waiting.erase(it);
                     }
                 }).value();
  state.spawn_journal();
  state.spawn_hub();
  state.spawn_runs();
  state.spawn_router();
  state.spawn_experiments();
  state.handles.gateway = state.gateway.spawn(state.system);
  state.spawn_root();
}

fake_farm::~fake_farm() {
  auto& state = *implementation_;
  const auto end = [](const auto& handle) {
    if (handle)
      caf::anon_send_exit(handle, caf::exit_reason::kill);
  };
  {
    const std::lock_guard lock{state.mutex};
    end(state.root);
    end(state.handles.journal);
    end(state.handles.event_hub);
    end(state.handles.runs);
    end(state.handles.monitor);
    end(state.handles.budgets);
    end(state.handles.router);
    end(state.handles.experiments);
    end(state.handles.gateway);
    state.root = nullptr;
    state.handles = {};
    state.sinks.clear();
    state.submitted.clear();
  }
  state.system.await_all_actors_done();
  state.writer->stop();
  state.writer.reset();
  state.store.reset();
  std::filesystem::remove_all(state.folder);
}

const std::string& fake_farm::folder() const { return implementation_->folder; }
std::shared_ptr<storage::store> fake_farm::store() const { return implementation_->store; }
std::unique_ptr<farm_access> fake_farm::access() {
  return make_actor_farm(implementation_->system, implementation_->root);
}

// -- the gateway ----------------------------------------------------------------------------------------

std::vector<model_question> fake_farm::questions() const { return implementation_->gateway.questions(); }

size_t fake_farm::withdrawn() const { return implementation_->gateway.withdrawn(); }

uint64_t fake_farm::taken() const { return implementation_->gateway.taken(); }

// -- what is stored -------------------------------------------------------------------------------------

run_record fake_farm::put_run(const std::string& owner, run_state state) {
  run_record record;
  record.spec.id = run_id{1'704'110'400, ++implementation_->runs_made};
  record.spec.owner = user_id{owner};
  record.spec.model = model_id{"claude-3-haiku"};
  record.spec.created_at = wall_time{seconds{1'704'110'400}};
  pinned_task task;
  task.id = task_id{"arithmetic"};
  task.scorer_names = {"exact_match"};
  record.spec.tasks.push_back(std::move(task));
  record.state = state;
  return implementation_->put(record);
}

void fake_farm::change_run(run_id run, const std::function<void(run_record&)>& change) {
  auto record = implementation_->find(run);
  change(record);
  implementation_->put(record);
}

void fake_farm::put_result(run_id run, const std::string& document) {
  storage::write_batch batch;
  batch.results.emplace_back(run, document);
  implementation_->commit(std::move(batch));
}

void fake_farm::put_counts(const reports::counted_source& source) {
  storage::write_batch batch;
  storage::put_counts(batch, source);
  implementation_->commit(std::move(batch));
}

uint64_t fake_farm::happen(run_id run, event_type type, bool publish, const std::string& data) {
  storage::write_batch batch;
  const auto text = data.empty() ? R"({"evaluation_id":")" + to_string(run) + "\"}" : data;
  batch.events.push_back({run, 0, type, wall_time{seconds{1'704'110'400}}, shared_text{text}});
  const auto report = implementation_->commit(std::move(batch));
  const auto& numbered = report.events.at(0);
  if (publish)
    implementation_->publish({run, numbered.seq, type, to_frame(numbered)});
  return numbered.seq;
}

uint64_t fake_farm::finish_samples(run_id run, uint32_t first, uint32_t count, sample_status status) {
  storage::write_batch batch;
  for (uint32_t i = first; i < first + count; ++i) {
    sample_record sample;
    sample.run = run;
    sample.address.sample = i;
    sample.status = status;
    sample.scores = {{0, 1.0, "42"}};
    if (status == sample_status::failed)
      sample.error = errc::provider_timeout;
    batch.samples.push_back(std::move(sample));
    response_record answer;
    answer.run = run;
    answer.address.sample = i;
    answer.prompt = shared_text{"what is 6*7?"};
    answer.answer = shared_text{"42"};
    batch.responses.push_back(std::move(answer));
  }
  const auto report = implementation_->commit(std::move(batch));
  return report.runs.at(0).last_seq;
}

// -- what subscribers hear ------------------------------------------------------------------------------

void fake_farm::publish_progress(run_id run, uint64_t seq, const std::string& text) {
  implementation_->publish({run, seq, event_type::evaluation_progress, shared_text{text}});
}

void fake_farm::publish_raw(run_id run, uint64_t seq, const std::string& text) {
  implementation_->publish({run, seq, event_type::log, shared_text{text}});
}

size_t fake_farm::subscriptions() const {
  const std::lock_guard lock{implementation_->mutex};
  return implementation_->sinks.size();
}

void fake_farm::lose_hub() {
  const std::lock_guard lock{implementation_->mutex};
  caf::anon_send_exit(implementation_->handles.event_hub, caf::exit_reason::kill);
  implementation_->sinks.clear();
  implementation_->spawn_hub();
}

void fake_farm::lose_run_supervisor() {
  const std::lock_guard lock{implementation_->mutex};
  caf::anon_send_exit(implementation_->handles.runs, caf::exit_reason::kill);
  implementation_->spawn_runs();
}

void fake_farm::lose_gateway() {
  const std::lock_guard lock{implementation_->mutex};
  caf::anon_send_exit(implementation_->handles.gateway, caf::exit_reason::kill);
  implementation_->handles.gateway = implementation_->gateway.spawn(implementation_->system);
}

std::vector<submit_run> fake_farm::submitted() const {
  const std::lock_guard lock{implementation_->mutex};
  return implementation_->submitted;
}

std::vector<command_run> fake_farm::commands() const {
  const std::lock_guard lock{implementation_->mutex};
  return implementation_->commands;
}

std::vector<call_observation> fake_farm::observed() const {
  const std::lock_guard lock{implementation_->mutex};
  return implementation_->observed;
}

// -- what the monitor knows -----------------------------------------------------------------------------

void fake_farm::set_view(monitoring::monitor_view view) {
  const std::lock_guard lock{implementation_->mutex};
  implementation_->view = std::move(view);
}

void fake_farm::set_routing(monitoring::routing_view view) {
  const std::lock_guard lock{implementation_->mutex};
  implementation_->routing = std::move(view);
}

std::vector<change_routing> fake_farm::routing_changes() const {
  const std::lock_guard lock{implementation_->mutex};
  return implementation_->routing_changes;
}

void fake_farm::put_statistics(const std::string& key, const std::string& text) {
  storage::write_batch batch;
  batch.documents.push_back({storage::table::call_stats, key, text, {}});
  implementation_->commit(std::move(batch));
}

std::vector<ask_experiment> fake_farm::experiment_questions() const {
  const std::lock_guard lock{implementation_->mutex};
  return implementation_->experiment_questions;
}

void fake_farm::put_document(storage::table where, const std::string& key, const std::string& text) {
  storage::write_batch batch;
  batch.documents.push_back({where, key, text, {}});
  implementation_->commit(std::move(batch));
}

void fake_farm::put_alert(const monitoring::alert& one, bool publish) {
  storage::write_batch batch;
  const auto text = monitoring::to_text(one);
  batch.documents.push_back({storage::table::alerts, std::to_string(one.id), text, {}});
  implementation_->commit(std::move(batch));
  if (publish)
    implementation_->publish(
        {alert_channel, one.seq, event_type::alert,
         to_frame({alert_channel, one.seq, event_type::alert, one.opened_at, shared_text{text}})});
}

} // namespace assay::server::test
