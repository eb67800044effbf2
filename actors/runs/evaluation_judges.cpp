#include "actors/runs/evaluation_detail.hpp"

#include <algorithm>
#include <utility>

// Other models that judge answers. Each has a lane of its own, paid by the run's budget; what it says is kept
// with the sample, so that no verdict is paid for twice.
namespace assay::evaluation_detail {

namespace {

using open_scoring = evaluation_state::open_scoring;
using job_place = evaluation_state::job_place;
using judge_lane = evaluation_state::judge_lane;

constexpr uint32_t likely_verdict_tokens = 256;

const call_target_actor& judges_of(const context& ctx) {
  return ctx.config.judges ? ctx.config.judges : ctx.config.router;
}

judge_lane* find_lane(evaluation_state& state, run_id id) {
  const auto found =
      std::ranges::find(state.outside.judges, id, [](const auto& one) { return one.where.run; });
  return found == state.outside.judges.end() ? nullptr : &*found;
}

const shared_text* known_verdict(const loaded_sample& sample, uint16_t step) {
  if (!sample.history)
    return nullptr;
  const auto found = std::ranges::find(sample.history->judged, step, &judged_answer::step);
  return found == sample.history->judged.end() || found->answer.empty() ? nullptr : &found->answer;
}

void remember_verdict(loaded_sample& sample, uint16_t step, const shared_text& answer) {
  auto history =
      sample.history ? std::make_shared<sample_history>(*sample.history) : std::make_shared<sample_history>();
  history->judged.push_back({step, answer});
  sample.history = std::move(history);
}

call judge_call_of(self_pointer self, const context& ctx, const sample_address& address,
                   judge_question&& question) {
  call request;
  request.id = next_call_id(self);
  request.messages = std::move(question.messages);
  request.parameters = std::move(question.parameters);
  request.answer_tokens =
      std::min(request.parameters.max_tokens.value_or(likely_verdict_tokens), likely_verdict_tokens);
  request.timeout = ctx.config.call_timeout;
  request.repetition = address.epoch;
  if (question.inputs) {
    request.kind = call_kind::embed;
    request.inputs = std::move(question.inputs);
  }
  return request;
}

} // namespace

bool judges_may_go(const evaluation_state& state) noexcept {
  return state.wanted.state == run_state::running && !state.ends_as && !state.draining;
}

void ask_judge(self_pointer self, const context& ctx, open_scoring& scoring,
               const evaluation_state::job_place& place, judge_question&& question) {
  auto& outside = self->state.outside;
  auto& reply = scoring.replies[place.scorer][place.job];
  if (const auto* known = known_verdict(scoring.sample, judge_step(place.scorer, place.job))) {
    reply.value = *known;
    --scoring.missing;
    return;
  }
  if (question.judge >= outside.judges.size()) {
    reply.error = fault{errc::scorer_failed, "the run has no such judge", {}, {}};
    --scoring.missing;
    return;
  }
  auto& lane = outside.judges[question.judge];
  const size_t judge = question.judge;
  auto request = judge_call_of(self, ctx, scoring.sample.address, std::move(question));
  outside.calls.emplace(request.id, evaluation_state::judge_call{place, judge,
                                                                 self->state.record.spec.log_samples
                                                                         && !request.messages.empty()
                                                                     ? joined_prompt(request.messages)
                                                                     : shared_text{}});
  lane.waiting.push_back(std::move(request));
}

void withdraw_judges(self_pointer self, const context_ptr& ctx, std::optional<milliseconds> grace,
                     harvest& crop) {
  auto& state = self->state;
  for (auto& lane : state.outside.judges) {
    for (const auto& request : std::exchange(lane.waiting, {})) {
      const auto found = state.outside.calls.find(request.id);
      const auto place = found->second.place;
      state.outside.calls.erase(found);
      lose_job(state, place, crop);
    }
    if (lane.out > 0)
      self->send(judges_of(*ctx), withdraw_calls{lane.where.run, grace});
  }
}

void open_judges(self_pointer self, const context_ptr& ctx) {
  auto& state = self->state;
  const auto& spec = state.record.spec;
  for (const auto& judge : spec.judges) {
    auto where = lane_of(state, *ctx);
    // Runs have random numbers: the next ones are free.
    where.run = run_id{spec.id.value + state.outside.judges.size() + 1};
    where.account = spec.id;
    where.model = judge.model;
    where.provider = judge.provider;
    where.wire_model = judge.wire_model;
    where.prices = judge.prices;
    where.route = judge.route;
    where.rules = judge.calls;
    where.way = call_way::online;
    self->send(judges_of(*ctx), open_lane{where, caf::actor_cast<call_sink_actor>(self)});
    auto& lane = state.outside.judges.emplace_back();
    lane.where = std::move(where);
  }
}

void close_judges(self_pointer self, const context_ptr& ctx) {
  for (const auto& lane : self->state.outside.judges)
    self->send(judges_of(*ctx), close_lane{lane.where.run});
}

void pump_judges(self_pointer self, const context_ptr& ctx) {
  auto& state = self->state;
  if (state.outside.calls.empty() || !judges_may_go(state))
    return;
  bool sent = false;
  for (auto& lane : state.outside.judges) {
    if (lane.waiting.empty() || lane.out >= lane.credit)
      continue;
    call_batch batch{lane.where, {}, caf::actor_cast<call_sink_actor>(self)};
    for (; !lane.waiting.empty() && lane.out < lane.credit; ++lane.out) {
      batch.calls.push_back(std::move(lane.waiting.front()));
      lane.waiting.pop_front();
    }
    if (!std::exchange(sent, true))
      note_open_calls(self, ctx);
    self->send(judges_of(*ctx), std::move(batch));
  }
}

void on_judge_credit(self_pointer self, const context_ptr& ctx, const lane_credit& credit) {
  auto* lane = find_lane(self->state, credit.run);
  if (lane == nullptr)
    return;
  lane->credit = credit.calls;
  pump_judges(self, ctx);
}

namespace {

void charge(sample_record& row, const call_outcome& outcome) {
  const auto cost = outcome.cost.value_or(money{});
  if (outcome.cost)
    row.cost = row.cost.value_or(money{}) + cost;
  row.judge_cost = row.judge_cost.value_or(money{}) + cost;
  row.possibly_billed = row.possibly_billed || is_possibly_billed(outcome);
}

scoring_reply reply_of(const evaluation_state& state, size_t judge, call_outcome& outcome) {
  scoring_reply reply;
  if (outcome.error)
    reply.error = fault{errc::scorer_failed,
                        "the judge " + state.record.spec.judges[judge].model.value
                            + " gave no verdict: " + outcome.error->message,
                        {},
                        "retry the run: its answers are kept"};
  else if (outcome.embeddings)
    reply.value = outcome.embeddings;
  else
    reply.value = outcome.answer;
  return reply;
}

} // namespace

void on_judged(self_pointer self, const context_ptr& ctx, call_outcome_batch& batch) {
  auto& state = self->state;
  auto* lane = find_lane(state, batch.run);
  if (lane == nullptr)
    return;
  turn_of_events events;
  append_batch responses;
  std::vector<std::pair<job_place, std::optional<scoring_reply>>> replies;
  for (auto& outcome : batch.outcomes) {
    const auto found = state.outside.calls.find(outcome.id);
    if (found == state.outside.calls.end())
      continue;
    const auto what = std::move(found->second);
    state.outside.calls.erase(found);
    --lane->out;
    const auto scoring = state.outside.open.find(what.place.scoring);
    if (scoring == state.outside.open.end())
      continue;
    charge(scoring->second.row, outcome);
    std::optional<scoring_reply> reply;
    if (!outcome.error || !(goes_back(outcome.error->code) || ends_the_run(outcome.error->code)))
      reply = reply_of(state, what.judge, outcome);
    else if (ends_the_run(outcome.error->code))
      events.fatal = outcome.error;
    auto address = scoring->second.sample.address;
    address.step = judge_step(what.place.scorer, what.place.job);
    if (!outcome.error)
      remember_verdict(scoring->second.sample, address.step, outcome.answer);
    if (reply || is_possibly_billed(outcome)) {
      auto row = make_response(state.record.spec.id, address, outcome);
      row.prompt = what.prompt;
      responses.responses.push_back(std::move(row));
    }
    replies.emplace_back(what.place, std::move(reply));
  }
  // What a judge has said is on its way to the disk before its verdict counts.
  if (!responses.responses.empty())
    hand_over(self, ctx, std::move(responses));
  for (auto& [place, reply] : replies)
    if (reply)
      take_reply(state, place, std::move(*reply), events.crop);
    else
      lose_job(state, place, events.crop);
  pump_judges(self, ctx);
  go_on(self, ctx, std::move(events));
}

} // namespace assay::evaluation_detail
