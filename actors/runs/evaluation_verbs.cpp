#include "actors/runs/evaluation_detail.hpp"
#include "actors/runs/verb_words.hpp"
#include "protocol/errors.hpp"

#include <utility>

// What people ask of a run.
namespace assay::evaluation_detail {

namespace {

caf::result<run_record> not_now(const evaluation_state& state, run_verb verb) {
  const bool ending = state.ends_as && !is_final(state.record.state);
  return to_caf_error({errc::invalid_transition,
                       "a run that is " + (ending ? "ending" : std::string{to_string(state.record.state)})
                           + " cannot be " + std::string{participle(verb)},
                       to_string(state.record.spec.id),
                       verb == run_verb::retry && !is_final(state.record.state)
                           ? "only a run that has ended can be retried"
                           : ""});
}

caf::result<run_record> pause(self_pointer self, const context_ptr& ctx, bool yields) {
  auto next = self->state.wanted;
  next.state = run_state::paused;
  next.yielded = yields;
  move_on(self, ctx, std::move(next), event_type::evaluation_paused);
  withdraw(self, ctx, std::nullopt);
  withdraw_scorings(self, ctx, std::nullopt, false);
  return reply_when_stored(self);
}

caf::result<run_record> resume(self_pointer self, const context_ptr& ctx) {
  start_running(self, ctx, event_type::evaluation_resumed);
  pump(self, ctx);
  return reply_when_stored(self);
}

caf::result<run_record> cancel(self_pointer self, const context_ptr& ctx) {
  auto& state = self->state;
  auto next = state.wanted;
  next.state = run_state::cancelled;
  next.yielded = false;
  next.finished_at = ctx->config.wall();
  move_on(self, ctx, std::move(next), event_type::evaluation_cancelled);
  auto answer = reply_when_stored(self);
  // Stronger than whatever else was ending the run.
  state.ends_as.reset();
  end_run(self, ctx, run_state::cancelled, std::nullopt, ctx->config.cancel_grace);
  return answer;
}

} // namespace

caf::result<run_record> command(self_pointer self, const context_ptr& ctx, const command_run& wish) {
  auto& state = self->state;
  const auto now = state.wanted.state;
  switch (wish.verb) {
  case run_verb::pause:
    // Who pauses a run that has yielded wants it to stay so.
    if (now == run_state::paused && (wish.yields || !state.wanted.yielded))
      return reply_when_stored(self);
    if (state.ends_as || is_final(now))
      return not_now(state, wish.verb);
    return pause(self, ctx, wish.yields);
  case run_verb::resume:
    if (now == run_state::running || now == run_state::preparing)
      return reply_when_stored(self);
    if (state.ends_as || is_final(now))
      return not_now(state, wish.verb);
    return resume(self, ctx);
  case run_verb::cancel:
    if (now == run_state::cancelled)
      return reply_when_stored(self);
    return is_final(now) ? not_now(state, wish.verb) : cancel(self, ctx);
  case run_verb::retry:
  case run_verb::purge:
  case run_verb::redact:
    return not_now(state, wish.verb);
  }
  return not_now(state, wish.verb);
}

} // namespace assay::evaluation_detail
