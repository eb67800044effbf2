#include "actors/experiments/experiment.hpp"

#include "protocol/errors.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace assay {

namespace {

using json = nlohmann::json;
using self_pointer = experiment_actor::stateful_pointer<experiment_actor_state>;
using promise = experiment_actor_state::promise;
using experiments::child_state;
using experiments::experiment_state;

constexpr std::chrono::seconds store_timeout{5};
constexpr std::chrono::seconds run_timeout{5};
/// Pinning reads every dataset whole.
constexpr std::chrono::minutes submit_timeout{5};

struct context {
  experiment_config config;
  experiment_supervisor_actor parent;
};
using context_ptr = std::shared_ptr<const context>;

std::string text_of(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

void advance(self_pointer self, const context_ptr& with);

// -- writing -----------------------------------------------------------------------------------------------

void refuse(promise& who, const fault& reason) { who.deliver(to_caf_error(reason)); }

/// What was changed in memory is not in the store: only the store counts, so the experiment is read anew.
void give_up(self_pointer self, const context_ptr& with, const fault& reason) {
  for (auto& [who, answer] : std::exchange(self->state.answers, {}))
    refuse(who, reason);
  spdlog::error("an experiment could not be written experiment={} error=\"{}\"", with->config.id,
                to_string(reason));
  self->quit(to_caf_error(reason));
}

/// A write on its way.
struct pending_write {
  std::string head;
  std::vector<size_t> starting;
  std::vector<std::pair<promise, experiment_answer>> answers;
  bool ends = false;
};

/// The newest says everything, so what came since the last time is one piece of news.
void tell_listeners(self_pointer self, const context_ptr& with) {
  auto& state = self->state;
  if (!state.news || !with->config.event_hub)
    return;
  const auto now = self->clock().now();
  if (now - state.told_at < with->config.news_interval && !experiments::is_final(state.what->head.state))
    return;
  state.told_at = now;
  state.news = false;
  const auto& head = state.what->head;
  publish_events message;
  message.events.push_back({experiment_channel(head.id), head.changes, event_type::experiment_progress,
                            with->config.wall(), shared_text{text_of(to_json(head))}});
  self->send(with->config.event_hub, std::move(message));
}

void on_written(self_pointer self, const context_ptr& with, pending_write& done) {
  auto& state = self->state;
  state.writing = false;
  state.news = true;
  tell_listeners(self, with);
  self->send(with->parent, experiment_changed{with->config.id, done.head});
  for (auto& [who, answer] : done.answers)
    who.deliver(std::move(answer));
  state.may_start.insert(done.starting.begin(), done.starting.end());
  if (done.ends && state.changed.empty() && !state.head_changed) {
    self->quit();
    return;
  }
  advance(self, with);
}

/// Makes what changed durable, unless a write is on its way: then what comes after it does.
void flush(self_pointer self, const context_ptr& with) {
  auto& state = self->state;
  if (state.writing || (state.changed.empty() && !state.head_changed))
    return;
  state.writing = true;
  auto& what = *state.what;
  experiments::count(what);
  ++what.head.changes;
  const auto pending = std::make_shared<pending_write>();
  pending->head = experiments::to_stored(what.head);
  pending->ends = experiments::is_final(what.head.state);
  pending->answers = std::exchange(state.answers, {});
  append_and_wait message;
  for (const auto i : std::exchange(state.changed, {})) {
    message.batch.documents.push_back({"experiment_children", experiments::child_key(what.head, i),
                                       experiments::to_stored(what.children[i]), false, std::nullopt});
    if (what.children[i].state == child_state::starting)
      pending->starting.push_back(i);
  }
  state.head_changed = false;
  message.batch.documents.push_back({"experiments", what.head.id, pending->head, false, std::nullopt});
  self->request(with->config.journal, store_timeout, std::move(message))
      .then(
          [self, with, pending](const committed& done) {
            if (!done.error)
              return on_written(self, with, *pending);
            std::ranges::move(pending->answers, std::back_inserter(self->state.answers));
            give_up(self, with, *done.error);
          },
          [self, with, pending](const caf::error& reason) {
            std::ranges::move(pending->answers, std::back_inserter(self->state.answers));
            give_up(self, with, to_fault(reason));
          });
}

// -- children ----------------------------------------------------------------------------------------------

/// Failures of the farm's, not of the child's: the same again works, later.
bool passes(errc code) {
  return code == errc::busy || code == errc::shutting_down || code == errc::deadline_exceeded
         || code == errc::actor_lost || code == errc::store_full || code == errc::store_failed;
}

void take_run(self_pointer self, const context_ptr& with, size_t i, const run_record& run) {
  if (experiments::take_run(*self->state.what, i, run, with->config.wall()))
    self->state.changed.insert(i);
}

void take_failure(self_pointer self, const context_ptr& with, size_t i, const fault& reason) {
  experiments::take_failure(*self->state.what, i, reason, with->config.wall());
  self->state.changed.insert(i);
}

void command(self_pointer self, const context_ptr& with, size_t i, run_verb verb) {
  auto& state = self->state;
  state.asking.insert(i);
  const auto over = [self, with, i] {
    self->state.asking.erase(i);
    advance(self, with);
  };
  self->request(with->config.runs, run_timeout, command_run{state.what->children[i].run, verb, std::nullopt})
      .then(
          [self, with, i, over](const run_record& run) {
            take_run(self, with, i, run);
            over();
          },
          // It is looked at again at the next tick.
          [over](const caf::error&) { over(); });
}

/// Lets the run follow the experiment: paused, resumed or cancelled.
void follow(self_pointer self, const context_ptr& with, size_t i, const run_record& run) {
  auto& what = *self->state.what;
  auto& child = what.children[i];
  if (is_final(run.state))
    return;
  const auto hold = [&](bool held) {
    if (std::exchange(child.held, held) != held)
      self->state.changed.insert(i);
  };
  if (what.head.state == experiment_state::cancelling)
    return command(self, with, i, run_verb::cancel);
  if (what.head.state == experiment_state::paused && run.state != run_state::paused) {
    hold(true);
    return command(self, with, i, run_verb::pause);
  }
  if (what.head.state != experiment_state::running || !child.held)
    return;
  hold(false);
  if (run.state == run_state::paused)
    command(self, with, i, run_verb::resume);
}

void look_at(self_pointer self, const context_ptr& with, size_t i) {
  auto& state = self->state;
  state.asking.insert(i);
  self->request(with->config.runs, run_timeout, find_run{state.what->children[i].run})
      .then(
          [self, with, i](const run_record& run) {
            self->state.asking.erase(i);
            take_run(self, with, i, run);
            follow(self, with, i, run);
            advance(self, with);
          },
          [self, with, i](const caf::error& error) {
            self->state.asking.erase(i);
            const auto reason = to_fault(error);
            if (reason.code == errc::not_found)
              take_failure(self, with, i, {errc::not_found, "its run was removed", {}, {}});
            advance(self, with);
          });
}

void on_started(self_pointer self, const context_ptr& with, size_t i, const run_record& run) {
  auto& state = self->state;
  state.asking.erase(i);
  state.may_start.erase(i);
  take_run(self, with, i, run);
  advance(self, with);
}

void on_not_started(self_pointer self, const context_ptr& with, size_t i, const fault& reason) {
  auto& state = self->state;
  state.asking.erase(i);
  if (passes(reason.code))
    return;
  state.may_start.erase(i);
  take_failure(self, with, i, reason);
  advance(self, with);
}

/// A run that went on before the answer was heard cannot be retried again: how it is counts.
void retry(self_pointer self, const context_ptr& with, size_t i) {
  auto& state = self->state;
  const auto& child = state.what->children[i];
  self->request(with->config.runs, run_timeout, command_run{child.run, run_verb::retry, child.granted})
      .then([self, with, i](const run_record& run) { on_started(self, with, i, run); },
            [self, with, i](const caf::error& error) {
              const auto reason = to_fault(error);
              if (reason.code != errc::invalid_transition)
                return on_not_started(self, with, i, reason);
              self->state.may_start.erase(i);
              look_at(self, with, i);
            });
}

submit_run submission_of(const experiments::experiment& what, size_t i) {
  submit_run out;
  out.request = what.requests[i].request;
  out.request.max_cost = what.children[i].granted;
  // Only the edge, which no child passes, writes files.
  out.request.output_path.clear();
  auto metadata = json::parse(out.request.metadata, nullptr, false);
  if (!metadata.is_object())
    metadata = json::object();
  metadata["experiment_id"] = what.head.id;
  out.request.metadata = text_of(metadata);
  out.owner = what.head.owner;
  out.api_key = what.head.api_key;
  out.key_budget = what.head.key_budget;
  out.idempotency_key = "experiment/" + experiments::child_key(what.head, i);
  return out;
}

void start_child(self_pointer self, const context_ptr& with, size_t i) {
  auto& state = self->state;
  state.asking.insert(i);
  if (!state.what->children[i].run.empty())
    return retry(self, with, i);
  self->request(with->config.runs, submit_timeout, submission_of(*state.what, i))
      .then([self, with, i](const run_submitted& done) { on_started(self, with, i, done.record); },
            [self, with, i](const caf::error& error) { on_not_started(self, with, i, to_fault(error)); });
}

/// Everything that can be done now, and what it changed to the store.
void advance(self_pointer self, const context_ptr& with) {
  auto& state = self->state;
  auto& what = *state.what;
  if (experiments::is_final(what.head.state))
    return flush(self, with);
  const auto now = with->config.wall();
  for (const auto i : experiments::skip_hopeless(what, now))
    state.changed.insert(i);
  for (const auto i : experiments::top_up(what))
    state.changed.insert(i);
  for (const auto i : experiments::startable(what, now)) {
    auto& child = what.children[i];
    child.granted = experiments::grant_for(what, i);
    child.state = child_state::starting;
    child.not_before.reset();
    state.changed.insert(i);
  }
  for (const auto i : state.may_start)
    if (what.children[i].state == child_state::starting && !state.asking.contains(i)
        && !state.changed.contains(i))
      start_child(self, with, i);
  state.head_changed |= experiments::end_if_over(what, now);
  flush(self, with);
}

// -- questions ---------------------------------------------------------------------------------------------

std::optional<run_verb> verb_of(experiment_verb verb) {
  switch (verb) {
  case experiment_verb::pause:
    return run_verb::pause;
  case experiment_verb::resume:
    return run_verb::resume;
  case experiment_verb::cancel:
    return run_verb::cancel;
  case experiment_verb::retry:
    return run_verb::retry;
  default:
    return std::nullopt;
  }
}

void serve(self_pointer self, const context_ptr& with, const ask_experiment& wish, promise who) {
  auto& state = self->state;
  auto& what = *state.what;
  if (wish.version && *wish.version != what.head.version)
    return refuse(who, {errc::conflict,
                        "the experiment has version " + std::to_string(what.head.version) + ", not "
                            + std::to_string(*wish.version),
                        "If-Match", "read it again"});
  const auto verb = verb_of(wish.verb);
  if (!verb && wish.verb != experiment_verb::show)
    return refuse(who, {errc::internal, "a question for the experiments' supervisor", {}, {}});
  if (verb) {
    const auto changed = experiments::apply(what, *verb);
    if (!changed)
      return refuse(who, changed.error());
    if (*changed) {
      for (size_t i = 0; i < what.children.size(); ++i)
        if (*verb == run_verb::cancel || *verb == run_verb::retry)
          state.changed.insert(i);
      state.head_changed = true;
      experiments::count(what);
      state.answers.emplace_back(who, experiment_answer{text_of(to_json(what.head)), what.head.version});
      for (size_t i = 0; i < what.children.size(); ++i)
        if (what.children[i].state == child_state::running && !state.asking.contains(i))
          look_at(self, with, i);
      return advance(self, with);
    }
  }
  who.deliver(experiment_answer{text_of(to_json(what.head)), what.head.version});
  // One that had ended and stays so was only read back for this.
  if (experiments::is_final(what.head.state) && !state.writing)
    self->quit();
}

caf::result<experiment_answer> ask(self_pointer self, const context_ptr& with, const ask_experiment& wish) {
  auto& state = self->state;
  auto who = self->make_response_promise<experiment_answer>();
  if (state.what)
    serve(self, with, wish, who);
  else if (state.waiting.size() >= with->config.max_waiting)
    refuse(who, {errc::busy, "the experiment is being read from the store", {}, "try again in a moment"});
  else
    state.waiting.emplace_back(wish, who);
  return who;
}

// -- reading back ------------------------------------------------------------------------------------------

void recall(self_pointer self, const context_ptr& with) {
  const auto head = experiments::head_from_stored(with->config.head);
  if (!head)
    return self->quit(to_caf_error(head.error()));
  const auto job = [target = experiment_actor{self}, read = with->config.read.children,
                    prefix = experiments::children_prefix(*head)] { caf::anon_send(target, read(prefix)); };
  if (!with->config.workers->submit(job))
    self->quit(to_caf_error({errc::busy, "no worker is free to read an experiment", {}, {}}));
}

void take_children(self_pointer self, const context_ptr& with, const experiment_children_recalled& news) {
  auto& state = self->state;
  if (news.error)
    return self->quit(to_caf_error(*news.error));
  auto read = experiments::from_stored(with->config.head, news.rows);
  if (!read)
    return self->quit(to_caf_error(read.error()));
  state.what = std::move(*read);
  for (size_t i = 0; i < state.what->children.size(); ++i)
    if (state.what->children[i].state == child_state::starting)
      state.may_start.insert(i);
  for (auto& [wish, who] : std::exchange(state.waiting, {}))
    serve(self, with, wish, who);
  advance(self, with);
  if (experiments::is_final(state.what->head.state) && !state.writing)
    self->quit();
}

void on_tick(self_pointer self, const context_ptr& with) {
  auto& state = self->state;
  self->delayed_send(self, with->config.tick_interval, tick{});
  if (!state.what)
    return;
  tell_listeners(self, with);
  for (size_t i = 0; i < state.what->children.size(); ++i)
    if (state.what->children[i].state == child_state::running && !state.asking.contains(i))
      look_at(self, with, i);
  advance(self, with);
}

} // namespace

experiment_actor::behavior_type experiment_keeper(self_pointer self, experiment_config config,
                                                  experiment_supervisor_actor parent) {
  const auto with = std::make_shared<const context>(context{std::move(config), std::move(parent)});
  recall(self, with);
  self->delayed_send(self, with->config.tick_interval, tick{});
  return {
      [self, with](const ask_experiment& wish) { return ask(self, with, wish); },
      [self, with](const experiment_children_recalled& news) { take_children(self, with, news); },
      [self, with](const tick&) { on_tick(self, with); },
  };
}

} // namespace assay
