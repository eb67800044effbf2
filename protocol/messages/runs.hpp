#pragma once

#include "protocol/inspect.hpp"

#include <vector>

namespace assay {

/// Asks for a run. Answered when the run is durable, or at once with the plan for a dry run.
struct submit_run {
  run_request request;
  user_id owner;
  std::string idempotency_key;          ///< The same key and owner get the same run; empty means none.
  std::string api_key = {};             ///< Id of the key that the owner came with; empty for none.
  std::optional<money> key_budget = {}; ///< Of that key, a day.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, submit_run& x) {
  auto key_budget = field(x.key_budget);
  return f(caf::meta::type_name("submit_run"), x.request, x.owner, x.idempotency_key, x.api_key, key_budget);
}

struct run_submitted {
  run_record record;
  bool existed = false; ///< An earlier run of the same idempotency key.
  bool dry_run = false; ///< Nothing was stored and nothing will run.
  uint64_t calls = 0;
  std::optional<money> estimated_cost; ///< Nothing when prices are unknown.
  std::vector<std::string> notes;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, run_submitted& x) {
  auto cost = field(x.estimated_cost);
  return f(caf::meta::type_name("run_submitted"), x.record, x.existed, x.dry_run, x.calls, cost, x.notes);
}

/// Applies a verb. Idempotent: a run that already is where the verb leads answers its record.
struct command_run {
  run_id run;
  run_verb verb = run_verb::pause;
  std::optional<money> max_cost = {}; ///< With retry: what the run may cost from now on, in all.
  bool yields = false; ///< With pause: for a run of higher priority, until there is a place again.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, command_run& x) {
  auto max_cost = field(x.max_cost);
  return f(caf::meta::type_name("command_run"), x.run, x.verb, max_cost, x.yields);
}

struct find_run {
  run_id run;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, find_run& x) {
  return f(caf::meta::type_name("find_run"), x.run);
}

/// How many runs are in which state now.
struct count_runs {};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, count_runs&) {
  return f(caf::meta::type_name("count_runs"));
}

struct run_counts {
  uint32_t queued = 0;
  uint32_t active = 0; ///< Preparing or running.
  uint32_t paused = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, run_counts& x) {
  return f(caf::meta::type_name("run_counts"), x.queued, x.active, x.paused);
}

/// INTERNAL: an evaluation tells its supervisor how far it is.
struct run_reported {
  run_record record;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, run_reported& x) {
  return f(caf::meta::type_name("run_reported"), x.record);
}

/// INTERNAL: the admission worker has pinned a request, or found why not.
struct run_pinned {
  uint64_t ticket = 0;
  run_submitted answer;
  std::optional<fault> error;
  /// A task of the run has to be prepared first; the rest means nothing then.
  bool unprepared = false;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, run_pinned& x) {
  auto error = field(x.error);
  return f(caf::meta::type_name("run_pinned"), x.ticket, x.answer, error, x.unprepared);
}

/// INTERNAL: how far the preparation of a run's tasks is, from a worker to the preparer.
struct preparation_step {
  std::string operation; ///< What the Python host is asked next; empty when everything is in its place.
  shared_text arguments; ///< A JSON object.
  std::string folder;    ///< Where the task's Python lies; may be empty.
  std::optional<fault> error;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, preparation_step& x) {
  auto error = field(x.error);
  return f(caf::meta::type_name("preparation_step"), x.operation, x.arguments, x.folder, error);
}

/// INTERNAL: the tasks of a submission are prepared, or cannot be.
struct preparation_ended {
  uint64_t ticket = 0;
  std::optional<fault> error;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, preparation_ended& x) {
  auto error = field(x.error);
  return f(caf::meta::type_name("preparation_ended"), x.ticket, error);
}

/// A judge's answer that the journal already has.
struct judged_answer {
  uint16_t step = 0; ///< Under which it is kept.
  shared_text answer;

  bool operator==(const judged_answer&) const = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, judged_answer& x) {
  return f(caf::meta::type_name("judged_answer"), x.step, x.answer);
}

/// What only some samples have: further turns, or answers from before.
struct sample_history {
  /// What the user says in the turns after the first, all of them in order. Empty for a single question.
  std::vector<shared_text> questions;
  std::vector<shared_text> answers; ///< Those of the turns that are over, in order.
  // What those answers took, as far as no other record of the sample counts it; with the stored answer when
  // there is one.
  token_usage usage;
  std::optional<money> cost;
  std::optional<money> judge_cost; ///< Part of cost.
  milliseconds duration{0};
  uint32_t tries = 0;
  bool possibly_billed = false;
  bool cached = false; ///< All of them came from the response cache, or from another run.
  std::vector<judged_answer> judged;
  /// Answers of another run, as they are to be kept with this one.
  std::vector<response_record> copies;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, sample_history& x) {
  auto cost = field(x.cost);
  auto judge_cost = field(x.judge_cost);
  return f(caf::meta::type_name("sample_history"), x.questions, x.answers, x.usage, cost, judge_cost,
           x.duration, x.tries, x.possibly_billed, x.cached, x.judged, x.copies);
}

/// One sample ready to be asked. The step of its address is the turn that is asked next.
struct loaded_sample {
  sample_address address;
  std::vector<chat_message> messages;
  shared_text target;
  std::optional<fault> error; ///< Its template failed.
  shared_text stored_answer;  ///< An answer that the journal already has and that only needs a score.
  bool has_stored_answer = false;
  std::vector<attempt_record> failures; ///< Tries before, when it comes back from a withdrawn call.
  std::shared_ptr<const sample_history> history = nullptr; ///< Null for most.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, loaded_sample& x) {
  auto error = field(x.error);
  auto history = shared(x.history);
  return f(caf::meta::type_name("loaded_sample"), x.address, x.messages, x.target, error, x.stored_answer,
           x.has_stored_answer, x.failures, history);
}

/// INTERNAL: the next samples of a run, read by a worker.
struct samples_loaded {
  std::vector<loaded_sample> samples;
  bool end = false; ///< Nothing comes after these.
  std::optional<fault> error;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, samples_loaded& x) {
  auto error = field(x.error);
  return f(caf::meta::type_name("samples_loaded"), x.samples, x.end, error);
}

/// INTERNAL: what the store already has of a run, found by a worker at its start.
struct run_recovered {
  run_record record; ///< With its progress recounted.
  std::vector<uint64_t> done_by_task;
  std::optional<fault> error;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, run_recovered& x) {
  auto error = field(x.error);
  return f(caf::meta::type_name("run_recovered"), x.record, x.done_by_task, error);
}

/// INTERNAL: the result document of a finished run, made by a worker.
struct result_computed {
  std::string document; ///< JSON text.
  std::optional<fault> error;
  /// What the run brings into the result database, storage form; empty for nothing.
  std::string counts = {};
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, result_computed& x) {
  auto error = field(x.error);
  return f(caf::meta::type_name("result_computed"), x.document, error, x.counts);
}

/// INTERNAL: the runs that the store has and that are not final, found at start.
struct open_runs_found {
  std::vector<run_record> runs;
  std::optional<fault> error;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, open_runs_found& x) {
  auto error = field(x.error);
  return f(caf::meta::type_name("open_runs_found"), x.runs, error);
}

/// INTERNAL: finished runs that are older than the configuration wants them kept.
struct expired_runs_found {
  std::vector<run_id> runs;
  std::optional<fault> error;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, expired_runs_found& x) {
  auto error = field(x.error);
  return f(caf::meta::type_name("expired_runs_found"), x.runs, error);
}

/// Come to rest without changing any run: send nothing new, keep what comes back, then end. The runs go on at
/// the next start.
struct drain {
  milliseconds grace{30'000}; ///< For the calls in flight.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, drain& x) {
  return f(caf::meta::type_name("drain"), x.grace);
}

} // namespace assay
