#include "actors/runs/evaluation_detail.hpp"

#include <algorithm>
#include <array>
#include <random>
#include <utility>

// Answers that are scored outside: by programs in the sandbox, by Python, by other models. Jobs are one-way
// messages with ids; the table of open scorings is bounded, and what cannot be ended keeps its stored answer.
namespace assay::evaluation_detail {

namespace {

using open_scoring = evaluation_state::open_scoring;
using job_place = evaluation_state::job_place;
using job_host = evaluation_state::job_host;

answer_to_score view_of(const open_scoring& scoring) {
  return {scoring.answer, scoring.sample.target, scoring.sample.messages, scoring.turns, scoring.secret};
}

/// splitmix64 (Steele, Lea and Flood 2014), seeded once from the system. Tests of an answer must not be able
/// to be imitated by it; nothing else depends on these.
uint64_t draw(evaluation_state::outside_work& outside) {
  if (outside.chance == 0) {
    std::random_device device;
    outside.chance = (static_cast<uint64_t>(device()) << 32) | device();
  }
  auto z = (outside.chance += 0x9E3779B97F4A7C15ULL);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

std::string draw_secret(evaluation_state::outside_work& outside) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (int word = 0; word < 2; ++word)
    for (auto [bits, left] = std::pair{draw(outside), 16}; left > 0; --left, bits >>= 4)
      text += digits[bits & 15];
  return text;
}

/// The sample waits with its stored answer, and with what is paid for so far.
void put_back(evaluation_state& state, open_scoring&& scoring) {
  auto sample = std::move(scoring.sample);
  const auto& row = scoring.row;
  auto history =
      sample.history ? std::make_shared<sample_history>(*sample.history) : std::make_shared<sample_history>();
  history->usage = row.usage;
  history->cost = row.cost;
  history->judge_cost = row.judge_cost;
  history->duration = row.duration;
  history->tries = row.tries;
  history->possibly_billed = row.possibly_billed;
  history->cached = row.cached;
  history->copies.clear();
  sample.history = std::move(history);
  sample.has_stored_answer = true;
  sample.stored_answer = std::move(scoring.answer);
  state.ready.push_front(std::move(sample));
}

void add_scores(const evaluation_state& state, open_scoring& scoring, std::string& reason) {
  auto& row = scoring.row;
  const auto& outside = (*state.plan)[row.address.task].outside;
  const auto what = view_of(scoring);
  for (size_t i = 0; i < outside.size(); ++i) {
    auto values = outside[i]->read(what, scoring.replies[i]);
    if (!values) {
      reason = to_string(values.error());
      return fail(row, errc::scorer_failed);
    }
    std::move(values->begin(), values->end(), std::back_inserter(row.scores));
  }
  std::ranges::sort(row.scores, {}, &score_value::scorer);
}

/// All that was asked for is there.
void complete(evaluation_state& state, open_scoring&& scoring, harvest& crop) {
  std::string reason;
  if (scoring.row.status != sample_status::failed)
    add_scores(state, scoring, reason);
  reap(state, crop, std::move(scoring.row), std::move(reason), std::move(scoring.served_by));
}

/// What has ended is done with, one way or the other.
void close_scoring(evaluation_state& state, uint64_t id, harvest& crop) {
  const auto found = state.outside.open.find(id);
  if (found == state.outside.open.end() || found->second.missing > 0)
    return;
  auto scoring = std::move(found->second);
  state.outside.open.erase(found);
  if (scoring.given_up)
    put_back(state, std::move(scoring));
  else
    complete(state, std::move(scoring), crop);
}

bool has_judge_question(const std::vector<std::vector<scoring_job>>& jobs) {
  return std::ranges::any_of(jobs, [](const auto& some) {
    return std::ranges::any_of(some,
                               [](const auto& job) { return std::holds_alternative<judge_question>(job); });
  });
}

// -- beginning ---------------------------------------------------------------------------------------------

/// @returns the jobs of each outside scorer; empty, with the sample failed, when one has none to give.
std::vector<std::vector<scoring_job>> jobs_of(const evaluation_state& state, open_scoring& scoring,
                                              std::string& reason) {
  const auto& outside = (*state.plan)[scoring.sample.address.task].outside;
  std::vector<std::vector<scoring_job>> out;
  const auto what = view_of(scoring);
  for (const auto& scorer : outside) {
    auto jobs = scorer->jobs(what);
    if (!jobs || jobs->size() > most_scoring_jobs) {
      reason = jobs ? "a scorer wants more than " + std::to_string(most_scoring_jobs) + " jobs for one answer"
                    : to_string(jobs.error());
      fail(scoring.row, errc::scorer_failed);
      return {};
    }
    out.push_back(std::move(*jobs));
  }
  return out;
}

struct job_sender {
  self_pointer self;
  const context& ctx;
  scoring_jobs& jobs;
  open_scoring& scoring;
  job_place place;

  void operator()(sandbox_job& job) {
    auto& outside = self->state.outside;
    job.id = ++outside.next_job;
    outside.jobs.emplace(job.id, evaluation_state::host_job{place, job_host::sandbox});
    jobs.sandbox.push_back(std::move(job));
  }

  void operator()(python_job& job) {
    auto& outside = self->state.outside;
    job.id = ++outside.next_job;
    outside.jobs.emplace(job.id, evaluation_state::host_job{place, job_host::python});
    jobs.python.push_back(std::move(job));
  }

  void operator()(judge_question& question) { ask_judge(self, ctx, scoring, place, std::move(question)); }
};

fault no_host(const char* what) {
  return {errc::unsupported,
          std::string("a scorer needs the ") + what + ", and this farm runs none",
          {},
          "`assay doctor` says why"};
}

/// As if the host had answered: a handler that is running must not be entered again.
template <class Results, class Jobs>
void refuse_jobs(self_pointer self, const Jobs& jobs, const char* what) {
  Results results;
  for (const auto& job : jobs) {
    auto& one = results.results.emplace_back();
    one.id = job.id;
    one.error = no_host(what);
  }
  caf::anon_send(evaluation_actor{self}, std::move(results));
}

/// @returns where the job belongs, which is over now; nothing for one that was withdrawn.
std::optional<job_place> take_job(evaluation_state& state, uint64_t id) {
  const auto found = state.outside.jobs.find(id);
  if (found == state.outside.jobs.end())
    return std::nullopt;
  const auto place = found->second.place;
  state.outside.jobs.erase(found);
  return place;
}

/// @param value Moved from when the job was done.
template <class Value>
void on_host_result(evaluation_state& state, uint64_t id, std::optional<fault>&& error, Value&& value,
                    turn_of_events& events) {
  const auto place = take_job(state, id);
  if (!place)
    return;
  if (error && (goes_back(error->code) || error->code == errc::unsupported)) {
    // Every other answer would meet the same; this one keeps its place.
    if (error->code == errc::unsupported)
      events.fatal = std::move(error);
    return lose_job(state, *place, events.crop);
  }
  scoring_reply reply;
  if (error)
    reply.error = std::move(error);
  else
    reply.value = std::forward<Value>(value);
  take_reply(state, *place, std::move(reply), events.crop);
}

void send_withdrawals(self_pointer self, const context& ctx, std::vector<uint64_t>&& sandbox,
                      std::vector<uint64_t>&& python) {
  if (!sandbox.empty() && ctx.config.sandbox)
    self->send(ctx.config.sandbox, withdraw_sandbox_jobs{std::move(sandbox)});
  if (!python.empty() && ctx.config.python)
    self->send(ctx.config.python, withdraw_python_jobs{std::move(python)});
}

} // namespace

void take_reply(evaluation_state& state, const job_place& place, scoring_reply&& reply, harvest& crop) {
  const auto found = state.outside.open.find(place.scoring);
  if (found == state.outside.open.end())
    return;
  found->second.replies[place.scorer][place.job] = std::move(reply);
  --found->second.missing;
  close_scoring(state, place.scoring, crop);
}

/// The job will not be answered: its scoring ends unscored.
void lose_job(evaluation_state& state, const job_place& place, harvest& crop) {
  const auto found = state.outside.open.find(place.scoring);
  if (found == state.outside.open.end())
    return;
  found->second.given_up = true;
  --found->second.missing;
  close_scoring(state, place.scoring, crop);
}

void go_on(self_pointer self, const context_ptr& ctx, turn_of_events&& events) {
  keep(self, ctx, std::move(events.crop));
  if (events.fatal)
    return end_run(self, ctx, run_state::failed, std::move(events.fatal), ctx->config.cancel_grace);
  pump(self, ctx);
}

bool has_room_to_score(const evaluation_state& state, const context& ctx) noexcept {
  return state.outside.open.size() < ctx.config.max_scorings;
}

void score_inline(const evaluation_state& state, sample_record& row, std::string_view answer,
                  std::string_view target) {
  row.status = sample_status::scored;
  if (state.record.spec.predict_only)
    return;
  const auto& scorers = (*state.plan)[row.address.task].scorers;
  for (size_t i = 0; i < scorers.size(); ++i) {
    if (!scorers[i])
      continue;
    auto verdict = scorers[i]->score(answer, target);
    if (verdict.problem)
      return fail(row, verdict.problem->code);
    row.scores.push_back({static_cast<uint8_t>(i), verdict.value, std::move(verdict.extracted)});
  }
}

void begin_scoring(self_pointer self, const context_ptr& ctx, loaded_sample&& sample, sample_record&& row,
                   const shared_text& answer, std::string&& served_by, scoring_jobs& jobs, harvest& crop) {
  auto& state = self->state;
  open_scoring scoring;
  scoring.sample = std::move(sample);
  scoring.row = std::move(row);
  scoring.answer = answer;
  scoring.served_by = std::move(served_by);
  scoring.since = self->clock().now();
  // A run that ends starts nothing new.
  if (state.ends_as || state.draining)
    return put_back(state, std::move(scoring));
  scoring.secret = draw_secret(state.outside);
  if (scoring.sample.history)
    scoring.turns = scoring.sample.history->answers;
  scoring.turns.push_back(answer);
  score_inline(state, scoring.row, answer, scoring.sample.target);
  std::string reason;
  std::vector<std::vector<scoring_job>> wanted;
  if (scoring.row.status != sample_status::failed)
    wanted = jobs_of(state, scoring, reason);
  if (scoring.row.status == sample_status::failed)
    return reap(state, crop, std::move(scoring.row), std::move(reason), std::move(scoring.served_by));
  if (has_judge_question(wanted) && !judges_may_go(state)) {
    scoring.row.scores.clear();
    return put_back(state, std::move(scoring));
  }
  for (const auto& some : wanted) {
    scoring.replies.emplace_back(some.size());
    scoring.missing += some.size();
  }
  const auto id = ++state.outside.next_scoring;
  auto& open = state.outside.open.emplace(id, std::move(scoring)).first->second;
  for (size_t i = 0; i < wanted.size(); ++i)
    for (size_t j = 0; j < wanted[i].size(); ++j)
      std::visit(job_sender{self, *ctx, jobs, open, {id, i, j}}, wanted[i][j]);
  close_scoring(state, id, crop);
}

void send_jobs(self_pointer self, const context_ptr& ctx, scoring_jobs&& jobs) {
  if (!jobs.sandbox.empty()) {
    if (ctx->config.sandbox)
      self->send(ctx->config.sandbox,
                 run_in_sandbox{std::move(jobs.sandbox), caf::actor_cast<sandbox_sink_actor>(self)});
    else
      refuse_jobs<sandbox_results>(self, jobs.sandbox, "sandbox");
  }
  if (!jobs.python.empty()) {
    if (ctx->config.python)
      self->send(ctx->config.python,
                 run_python{std::move(jobs.python), caf::actor_cast<python_sink_actor>(self)});
    else
      refuse_jobs<python_results>(self, jobs.python, "Python host");
  }
}

// -- replies -----------------------------------------------------------------------------------------------

void on_sandbox_results(self_pointer self, const context_ptr& ctx, sandbox_results& news) {
  turn_of_events events;
  for (auto& one : news.results) {
    auto error = std::move(one.error);
    one.error.reset();
    const auto id = one.id;
    on_host_result(self->state, id, std::move(error), std::move(one), events);
  }
  go_on(self, ctx, std::move(events));
}

void on_python_results(self_pointer self, const context_ptr& ctx, python_results& news) {
  turn_of_events events;
  for (auto& one : news.results)
    on_host_result(self->state, one.id, std::move(one.error), std::move(one.value), events);
  go_on(self, ctx, std::move(events));
}

void expire_scorings(self_pointer self, const context_ptr& ctx) {
  auto& state = self->state;
  if (state.outside.jobs.empty())
    return;
  const auto now = self->clock().now();
  std::vector<uint64_t> late;
  std::vector<uint64_t> sandbox;
  std::vector<uint64_t> python;
  for (const auto& [id, job] : state.outside.jobs) {
    const auto scoring = state.outside.open.find(job.place.scoring);
    if (scoring == state.outside.open.end() || now - scoring->second.since < ctx->config.scoring_timeout)
      continue;
    late.push_back(id);
    (job.host == job_host::sandbox ? sandbox : python).push_back(id);
  }
  if (late.empty())
    return;
  turn_of_events events;
  for (const auto id : late)
    on_host_result(state, id,
                   fault{errc::scorer_failed,
                         "a scorer's job was not done within " + to_human(ctx->config.scoring_timeout),
                         {},
                         "retry the run: its answers are kept"},
                   shared_text{}, events);
  send_withdrawals(self, *ctx, std::move(sandbox), std::move(python));
  go_on(self, ctx, std::move(events));
}

void withdraw_scorings(self_pointer self, const context_ptr& ctx, std::optional<milliseconds> grace,
                       bool jobs) {
  auto& state = self->state;
  harvest crop;
  withdraw_judges(self, ctx, grace, crop);
  if (jobs) {
    std::vector<uint64_t> sandbox;
    std::vector<uint64_t> python;
    for (const auto& [id, job] : std::exchange(state.outside.jobs, {})) {
      (job.host == job_host::sandbox ? sandbox : python).push_back(id);
      lose_job(state, job.place, crop);
    }
    send_withdrawals(self, *ctx, std::move(sandbox), std::move(python));
  }
  keep(self, ctx, std::move(crop));
}

} // namespace assay::evaluation_detail
