#pragma once

#include "actors/monitoring/event_hub.hpp"
#include "actors/runs/evaluation.hpp"
#include "actors/supervision/journal.hpp"
#include "tests/support/actor_fixture.hpp"
#include "tests/support/fake_farm.hpp"

#include <functional>
#include <utility>

namespace assay::test {

/// Stands for the router: keeps what it gets.
struct lane_keeper_state {
  std::vector<open_lane> lanes;
  std::vector<std::pair<run_id, call>> calls;
  std::vector<withdraw_calls> withdrawals;
  std::vector<run_id> closed;
};

inline call_target_actor::behavior_type
lane_keeper(call_target_actor::stateful_pointer<lane_keeper_state> self) {
  return {
      [self](const open_lane& wish) { self->state.lanes.push_back(wish); },
      [self](const call_batch& batch) {
        for (const auto& request : batch.calls)
          self->state.calls.emplace_back(batch.where.run, request);
      },
      [self](const withdraw_calls& wish) { self->state.withdrawals.push_back(wish); },
      [](const recall_calls&) {},
      [](const deltas_taken&) {},
      [self](const close_lane& wish) { self->state.closed.push_back(wish.run); },
  };
}

/// Stands for the run supervisor: remembers how its child ended.
struct guardian_state {
  std::optional<caf::error> childs_end;
  run_record latest;
};

inline run_supervisor_actor::behavior_type
guardian(run_supervisor_actor::stateful_pointer<guardian_state> self) {
  self->set_down_handler([self](const caf::down_msg& down) { self->state.childs_end = down.reason; });
  return {
      [](const submit_run&) { return run_submitted{}; },
      [](const command_run&) { return run_record{}; },
      [](const find_run&) { return run_record{}; },
      [](const count_runs&) { return run_counts{}; },
      [](const read_gauges&) { return gauges{}; },
      [](const drain&) {},
      [](const open_runs_found&) {},
      [self](const run_reported& news) { self->state.latest = news.record; },
      [](const run_pinned&) {},
      [](const expired_runs_found&) {},
      [](const preparation_ended&) {},
      [](const tick&) {},
  };
}

/// Stands for the sandbox: keeps jobs until the test answers them.
struct sandbox_keeper_state {
  std::vector<sandbox_job> jobs;
  std::vector<uint64_t> withdrawn;
  sandbox_sink_actor sink;
};

inline sandbox_actor::behavior_type
sandbox_keeper(sandbox_actor::stateful_pointer<sandbox_keeper_state> self) {
  return {
      [self](const run_in_sandbox& wish) {
        self->state.sink = wish.sink;
        self->state.jobs.insert(self->state.jobs.end(), wish.jobs.begin(), wish.jobs.end());
      },
      [self](const withdraw_sandbox_jobs& wish) {
        self->state.withdrawn.insert(self->state.withdrawn.end(), wish.ids.begin(), wish.ids.end());
      },
      [](const read_host_state&) { return host_state{}; },
      [](const read_gauges&) { return gauges{}; },
      [](const sandbox_results&) {},
      [](const tick&) {},
  };
}

/// A scorer of which a test says what it wants and what it makes of the replies.
class scripted_scorer final : public outside_scorer {
public:
  std::function<std::vector<scoring_job>(const answer_to_score&)> wants;
  std::function<result<std::vector<score_value>>(std::span<const scoring_reply>)> makes;

  result<std::vector<scoring_job>> jobs(const answer_to_score& what) const override { return wants(what); }
  result<std::vector<score_value>> read(const answer_to_score&,
                                        std::span<const scoring_reply> replies) const override {
    return makes(replies);
  }
};

/// What the samples of a test are like. Outlives its workers.
struct evaluation_script {
  std::vector<std::string> later_turns;
  std::function<void(task_plan&)> add_scorers;
  std::optional<scoring::epochs_reduction> reduction;
  std::vector<std::optional<float>> baseline; ///< Scores of the run that it is compared with.
};

/// Samples "question 0" ... whose right answer is "right". Answers of any step that the store has come back
/// with their samples, as from the real store.
class scripted_worker final : public run_worker {
public:
  scripted_worker(fake_store& store, const evaluation_script& script) : store_(store), script_(script) {
    auto made = std::make_shared<run_plan>();
    task_plan task;
    scoring::scorer_definition definition;
    definition.type = scoring::scorer_type::exact_match;
    task.scorers.push_back(std::move(*scoring::make_scorer(definition)));
    task.score.scorers.push_back({1, true});
    task.score.reduction = script.reduction;
    if (script.add_scorers)
      script.add_scorers(task);
    made->push_back(std::move(task));
    plan_ = std::move(made);
  }

  run_recovered recover(const run_record& record) override {
    record_ = record;
    run_recovered out;
    out.record = record;
    out.record.progress = {};
    out.record.progress.total = record.spec.total_samples();
    out.done_by_task.assign(1, 0);
    for (const auto& [address, sample] : store_.samples[record.spec.id]) {
      done_.insert({address.epoch, address.sample});
      ++out.record.progress.done;
      ++out.done_by_task[0];
    }
    return out;
  }

  std::shared_ptr<const run_plan> plan() const override { return plan_; }

  std::vector<std::optional<epoch_board>> take_boards() override {
    return boards_for(record_.spec, {script_.reduction});
  }

  std::unique_ptr<stop_watch> take_watch() override {
    if (!record_.spec.stop_when)
      return nullptr;
    auto watch = std::make_unique<stop_watch>(*record_.spec.stop_when, script_.baseline);
    for (const auto& [address, sample] : store_.samples[record_.spec.id])
      watch->add(address.sample,
                 stats::counted_score(sample, (*plan_)[0].score.scorers, (*plan_)[0].score.failed));
    return watch;
  }

  samples_loaded next_page(size_t limit) override {
    samples_loaded out;
    const auto count = record_.spec.tasks.front().sample_count;
    for (; next_ < count * record_.spec.epochs && out.samples.size() < limit; ++next_) {
      loaded_sample sample;
      sample.address.epoch = static_cast<uint16_t>(next_ / count);
      sample.address.sample = static_cast<uint32_t>(next_ % count);
      sample.address.generation = record_.generation;
      if (done_.contains({sample.address.epoch, sample.address.sample}))
        continue;
      sample.messages.push_back(
          {chat_role::user, shared_text{"question " + std::to_string(sample.address.sample)}});
      sample.target = shared_text{"right"};
      recall(sample);
      out.samples.push_back(std::move(sample));
    }
    out.end = next_ >= count * record_.spec.epochs;
    return out;
  }

  result_computed summarise(const run_record&) override { return {"{}", std::nullopt}; }

private:
  void recall(loaded_sample& sample) {
    sample_history history;
    for (const auto& turn : script_.later_turns)
      history.questions.emplace_back(turn);
    bool found_any = false;
    const auto& kept = store_.responses[record_.spec.id];
    while (!sample.has_stored_answer) {
      const auto found = kept.find(sample.address);
      if (found == kept.end() || found->second.error)
        break;
      found_any = true;
      const auto& answer = found->second;
      history.usage.completion_tokens += answer.usage.completion_tokens;
      if (answer.cost)
        history.cost = history.cost.value_or(money{}) + *answer.cost;
      ++history.tries;
      if (history.answers.size() == history.questions.size()) {
        sample.has_stored_answer = true;
        sample.stored_answer = answer.answer;
        break;
      }
      sample.messages.push_back({chat_role::assistant, answer.answer});
      sample.messages.push_back({chat_role::user, history.questions[history.answers.size()]});
      history.answers.push_back(answer.answer);
      ++sample.address.step;
    }
    for (const auto& [address, answer] : kept)
      if (address.sample == sample.address.sample && address.epoch == sample.address.epoch
          && address.step >= first_judge_step && !answer.error)
        history.judged.push_back({address.step, answer.answer});
    if (found_any || !history.questions.empty())
      sample.history = std::make_shared<const sample_history>(std::move(history));
  }

  fake_store& store_;
  const evaluation_script& script_;
  run_record record_;
  std::shared_ptr<const run_plan> plan_;
  std::set<std::pair<uint32_t, uint32_t>> done_; ///< Epoch and sample.
  uint64_t next_ = 0;
};

/// One evaluation with everything that it needs, on simulated time; the router and the sandbox are the test.
class evaluation_world : public actor_test {
protected:
  std::shared_ptr<fake_store> store = std::make_shared<fake_store>();
  std::shared_ptr<inline_executor> workers = std::make_shared<inline_executor>();
  event_hub_actor hub = spawn(event_hub, event_hub_config{});
  journal_actor the_journal = spawn(journal, journal_config{store, hub, 100, std::chrono::milliseconds{5}});
  call_target_actor router = spawn(lane_keeper);
  sandbox_actor sandbox = spawn(sandbox_keeper);
  run_supervisor_actor parent = spawn(guardian);
  evaluation_actor child;
  evaluation_script script;
  evaluation_config config; ///< Of the next evaluation; record and handles are filled in.
  const run_id id{1'700'000'000U, 7U};

  void start(uint64_t samples, uint16_t epochs = 1) {
    auto& spec = config.record.spec;
    spec.id = id;
    spec.prompt_types = {"baseline"};
    spec.epochs = epochs;
    pinned_task task;
    task.id = task_id{"questions"};
    task.sample_count = samples;
    spec.tasks = {task};
    launch();
  }

  /// As a new process would: the record is the stored one.
  void restart() {
    kill(child);
    config.record = store->runs.at(id);
    guarded().childs_end.reset();
    launch();
  }

  void give_credit(uint32_t calls) { tell(child, lane_credit{id, calls}); }
  void give_credit(run_id lane, uint32_t calls) { tell(child, lane_credit{lane, calls}); }

  static call_outcome answer_to(const call& request, const std::string& text = "right") {
    call_outcome out;
    out.id = request.id;
    out.answer = shared_text{text};
    out.usage.prompt_tokens = 10;
    out.usage.completion_tokens = 2;
    out.cost = money{100};
    return out;
  }

  static call_outcome failure_of(const call& request, errc code) {
    call_outcome out;
    out.id = request.id;
    out.error = fault{code, "no", {}, {}};
    out.failures.push_back({code, 0, milliseconds{0}, false, "no"});
    return out;
  }

  void send_back(run_id lane, call_outcome outcome) {
    call_outcome_batch batch{lane, {}};
    batch.outcomes.push_back(std::move(outcome));
    tell(child, std::move(batch));
  }
  void send_back(call_outcome outcome) { send_back(id, std::move(outcome)); }

  /// The calls that came for a lane, oldest first.
  std::vector<call> calls_of(run_id lane) {
    std::vector<call> out;
    for (const auto& [run, request] : routed().calls)
      if (run == lane)
        out.push_back(request);
    return out;
  }
  std::vector<call> calls() { return calls_of(id); }

  std::optional<sample_record> only_sample() {
    const auto& kept = store->samples[id];
    return kept.size() == 1 ? std::optional{kept.begin()->second} : std::nullopt;
  }

  lane_keeper_state& routed() { return state_of<lane_keeper_state>(router); }
  sandbox_keeper_state& boxed() { return state_of<sandbox_keeper_state>(sandbox); }
  guardian_state& guarded() { return state_of<guardian_state>(parent); }
  evaluation_state& now_of_child() { return state_of<evaluation_state>(child); }
  run_record verb(run_verb what) {
    auto answer = ask<run_record>(child, command_run{id, what});
    return answer ? *answer : run_record{};
  }

private:
  void launch() {
    auto made = config;
    made.make_worker = [this] { return std::make_shared<scripted_worker>(*store, script); };
    made.workers = workers;
    made.journal = the_journal;
    made.event_hub = hub;
    made.router = router;
    made.sandbox = sandbox;
    made.wall = [] { return wall_time{std::chrono::milliseconds{1'700'000'000'000}}; };
    child = spawn(evaluation, std::move(made), parent);
    auto* guard = caf::actor_cast<caf::abstract_actor*>(parent);
    dynamic_cast<caf::local_actor*>(guard)->monitor(child);
    run();
  }
};

} // namespace assay::test
