#pragma once

#include "actors/fleet/rate_limiter.hpp"
#include "actors/supervision/root_supervisor.hpp"
#include "tests/support/actor_fixture.hpp"
#include "tests/support/fake_farm.hpp"

#include <algorithm>

namespace assay::test {

inline const model_id the_model{"test-model"};
inline const provider_id the_provider{"test-provider"};

/// A whole farm on simulated time: real actors, a fake wire, a store in memory.
class farm_world : public actor_test {
protected:
  fake_wire wire;
  std::shared_ptr<fake_store> store = std::make_shared<fake_store>();
  std::shared_ptr<inline_executor> workers = std::make_shared<inline_executor>();
  wall_time wall{std::chrono::sys_days{std::chrono::year{2026} / 1 / 2}};
  root_supervisor_actor root;
  std::optional<fault> escalation;
  rate_limits limits;
  std::optional<uint32_t> max_retries; ///< The model's own.
  uint32_t cap = 8;
  std::string provider_address = "http://test"; ///< The provider's.
  std::vector<provider_key> keys;
  uint32_t workers_per_prompt_type = 0;
  std::string pinned_name; ///< What the next runs pin; empty leaves it to the configuration.
  std::optional<token_prices> pinned_prices;
  call_rules rules;                        ///< What the next runs pin.
  std::optional<in_flight_rule> in_flight; ///< The model's own; the farm's is fixed.

  root_supervisor_config config() {
    root_supervisor_config out;
    const auto clock = [this] { return wall; };
    const auto find_model = [this](const model_id& id) -> result<model_profile> {
      if (id != the_model)
        return fault{errc::not_found, "no such model", {}, {}};
      model_profile known;
      known.id = id;
      known.provider = the_provider;
      known.wire_model = "m";
      known.limits = limits;
      known.max_retries = max_retries;
      known.in_flight = in_flight;
      known.prices = token_prices{1.0, 2.0, std::nullopt};
      return known;
    };
    out.journal.writer = store;
    provider_profile profile;
    profile.id = the_provider;
    profile.base_url = provider_address;
    profile.keys = keys;
    profile.workers_per_prompt_type = workers_per_prompt_type;
    out.providers.providers = {profile};
    out.providers.child.find_model = find_model;
    out.providers.child.find_profile = [this, profile](const provider_id& id) {
      auto now = profile;
      now.keys = keys;
      return id == the_provider ? std::optional{std::move(now)} : std::nullopt;
    };
    out.providers.child.open_transport = wire.factory();
    out.providers.child.in_flight.cap = cap;
    out.providers.child.in_flight.fixed = true;
    out.providers.child.wall = clock;
    out.providers.recall = [this] {
      std::map<provider_id, std::string> kept;
      if (const auto found = store->documents.find("provider_state/" + the_provider.value);
          found != store->documents.end())
        kept[the_provider] = found->second;
      return kept;
    };
    out.router.wall = clock;
    out.budgets.wall = clock;
    out.budgets.workers = workers;
    out.budgets.recall = [this]() -> result<std::map<std::string, std::string>> {
      std::map<std::string, std::string> kept;
      const std::string table = "budgets/";
      for (const auto& [key, text] : store->documents)
        if (key.starts_with(table))
          kept.emplace(key.substr(table.size()), text);
      return kept;
    };
    out.budgets.journaled_cost = [this](run_id run) -> result<money> { return cost_of(run); };
    out.budgets.charged_tries = out.router.charged_tries;
    out.budgets.lost_tries = [this](run_id run) -> result<uint64_t> { return lost_tries(run); };
    out.runs.workers = workers;
    out.runs.wall = clock;
    out.runs.admit = [this](const run_request& request) {
      auto pinned = admit(request);
      if (pinned) {
        auto& spec = pinned->record.spec;
        spec.calls = rules;
        spec.wire_model = pinned_name;
        spec.prices = pinned_prices;
      }
      return pinned;
    };
    out.runs.read.open_runs = [this]() -> result<std::vector<run_record>> {
      std::vector<run_record> open;
      for (const auto& [id, record] : store->runs)
        if (!is_final(record.state))
          open.push_back(fake_worker{*store}.recover(record).record);
      return open;
    };
    out.runs.read.find_run = [this](run_id id) -> result<std::optional<run_record>> {
      const auto found = store->runs.find(id);
      return found == store->runs.end() ? std::optional<run_record>{} : found->second;
    };
    out.runs.read.find_expired = [this](wall_time before, size_t limit) -> result<std::vector<run_id>> {
      std::vector<run_id> old;
      for (const auto& [id, record] : store->runs)
        if (is_final(record.state) && record.finished_at < before && old.size() < limit)
          old.push_back(id);
      return old;
    };
    out.runs.read.find_idempotent = [this](const std::string& key) -> result<std::optional<run_id>> {
      const auto found = store->documents.find("idempotency/" + key);
      return found == store->documents.end() ? std::optional<run_id>{} : run_id_from_string(found->second);
    };
    out.runs.child.make_worker = [this] { return std::make_shared<fake_worker>(*store); };
    out.on_escalation = [this](const fault& reason) { escalation = reason; };
    return out;
  }

  static result<run_submitted> admit(const run_request& request) {
    if (request.limit == 0U)
      return fault{errc::invalid_argument, "limit must be positive", "limit", {}};
    run_submitted out;
    out.dry_run = request.dry_run;
    auto& spec = out.record.spec;
    spec.model = request.model;
    spec.provider = request.model == the_model ? the_provider : provider_id{"nowhere"};
    spec.prompt_types = request.prompt_types;
    if (spec.prompt_types.empty())
      spec.prompt_types = {"baseline"};
    spec.priority = request.priority;
    spec.depends_on = request.depends_on;
    spec.time_limit = request.time_limit;
    spec.fingerprint = std::to_string(request.limit.value_or(10));
    pinned_task task;
    task.id = task_id{"questions"};
    task.sample_count = request.limit.value_or(10);
    task.scorer_names = {"exact_match"};
    spec.tasks.push_back(task);
    out.record.progress.total = spec.total_samples();
    out.calls = spec.total_samples();
    return out;
  }

  void start_farm() { start_farm(config()); }
  void start_farm(root_supervisor_config with) {
    root = spawn(root_supervisor, std::move(with));
    run();
  }

  /// A process that dies: no message of the old farm is handled any more, what was not committed is lost.
  void crash_farm() {
    store->lose();
    kill(root);
    advance(milliseconds{50});
    wire.requests.clear();
    wire.cancelled.clear();
  }

  farm_handles handles() {
    auto found = ask<farm_handles>(root, find_farm{});
    EXPECT_TRUE(found.has_value());
    return found ? *found : farm_handles{};
  }

  // Living actors are found by looking into their supervisors.
  provider_actor the_provider_actor() {
    return state_of<provider_supervisor_state>(handles().providers).children_by_id.at(the_provider).handle;
  }
  provider_state& provider_now() { return state_of<provider_state>(the_provider_actor()); }
  rate_limiter_actor the_limiter() { return provider_now().models.at(the_model)->gates.front().limiter; }
  connection_actor the_connection() { return provider_now().keys.front().wire; }
  evaluation_actor the_evaluation(run_id id) {
    return state_of<run_supervisor_state>(handles().runs).runs.at(id).child;
  }
  evaluation_state& evaluation_now(run_id id) { return state_of<evaluation_state>(the_evaluation(id)); }

  run_request request(uint64_t samples) {
    run_request out;
    out.model = the_model;
    out.limit = samples;
    return out;
  }

  run_id submit(uint64_t samples) { return submit(request(samples)); }
  run_id submit(run_request wish) {
    auto answer = ask<run_submitted>(handles().runs, submit_run{std::move(wish), user_id{"ann"}, ""});
    EXPECT_TRUE(answer.has_value()) << (answer ? "" : to_string(answer.error()));
    return answer ? answer->record.spec.id : run_id{};
  }

  run_record find(run_id id) {
    auto found = ask<run_record>(handles().runs, find_run{id});
    EXPECT_TRUE(found.has_value());
    return found ? *found : run_record{};
  }

  result<run_record> verb(run_id id, run_verb what) {
    return ask<run_record>(handles().runs, command_run{id, what});
  }

  void answer_everything(const std::string& text = "right") {
    run();
    while (wire.answer_next(text))
      run();
    advance(milliseconds{600});
  }

  /// What the stored answers of a run have cost.
  money cost_of(run_id id) {
    money out;
    for (const auto& [address, response] : store->responses[id])
      out += response.cost.value_or(money{});
    return out;
  }

  uint64_t lost_tries(run_id id) {
    uint64_t out = 0;
    if (const auto run = store->runs.find(id); run != store->runs.end())
      out = run->second.lost_calls + run->second.maybe_lost_calls + run->second.open_calls_at_most;
    for (const auto& [address, response] : store->responses[id])
      out +=
          static_cast<uint64_t>(std::ranges::count_if(response.failures, &attempt_record::possibly_billed));
    return out;
  }

  size_t scored(run_id id) {
    return static_cast<size_t>(std::ranges::count_if(
        store->samples[id], [](const auto& entry) { return entry.second.status == sample_status::scored; }));
  }

  std::vector<event_type> event_types(run_id id) {
    std::vector<event_type> out;
    for (const auto& value : store->events[id])
      out.push_back(value.type);
    return out;
  }
};

} // namespace assay::test
