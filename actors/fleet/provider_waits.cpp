#include "actors/fleet/provider_detail.hpp"

#include <algorithm>
#include <utility>

namespace assay::provider_detail {

namespace {

/// Until when no key of a line lets a call out, and what for.
struct known_wait {
  control::steady_time until;
  std::string cause;
};

std::string words_of(self_pointer self, const provider_config& config, size_t key) {
  const auto provider = "provider " + config.profile.id.value;
  if (self->state.keys.size() == 1)
    return provider;
  const auto& name = self->state.keys[key].key.name;
  return "key " + (name.empty() ? "#" + std::to_string(key + 1) : name) + " of " + provider;
}

/// @returns nothing while some key of the line may let a call out, or nobody knows how long it will not. Keys
/// that are out have no say: when all are, the model takes no calls at all.
std::optional<known_wait> wait_of(self_pointer self, const provider_config& config, const model_state& model,
                                  const line_state& line) {
  const auto now = self->clock().now();
  std::optional<known_wait> out;
  for (const auto key : line.keys) {
    if (self->state.keys[key].out)
      continue;
    const auto& gate = model.gates[key];
    const auto until = std::max(gate.closed_until, gate.delayed_until);
    if (until <= now)
      return std::nullopt;
    if (out && out->until <= until)
      continue;
    const auto whose = words_of(self, config, key);
    out = known_wait{until, gate.delayed_until > gate.closed_until
                                ? "the " + gate.delayed_by + " of " + whose
                                : "the end of the pause that was asked for (429) with " + whose};
  }
  return out;
}

bool would_be_late(const call& request, const known_wait& wait) { return latest_start(request) < wait.until; }

milliseconds left_of(self_pointer self, const known_wait& wait) {
  return std::chrono::ceil<milliseconds>(wait.until - self->clock().now());
}

fault too_long(self_pointer self, const provider_config& config, const known_wait& wait) {
  const auto whole = std::chrono::ceil<seconds>(left_of(self, wait)).count();
  return {errc::rate_limited, "the question would wait " + std::to_string(whole) + " s for " + wait.cause,
          "providers." + config.profile.id.value,
          "ask again after that time, give the question more, or ask another model"};
}

/// What a call that is still in the line waits for.
std::string cause_now(self_pointer self, const provider_config& config, const open_call& open) {
  if (const auto wait = wait_of(self, config, *open.model, *open.line))
    return wait->cause;
  if (!has_good_key(self, *open.line))
    return "a good key of provider " + config.profile.id.value;
  if (open.phase == call_phase::acquiring)
    return "a limit of " + words_of(self, config, open.key);
  return "a place among the " + std::to_string(open.model->window()) + " calls that provider "
         + config.profile.id.value + " takes at once at the moment";
}

} // namespace

control::steady_time latest_start(const call& request) {
  if (request.send_by == nanoseconds{0})
    return control::steady_time::max();
  return control::steady_time{std::chrono::duration_cast<control::steady_time::duration>(request.send_by)};
}

void note_deadline(self_pointer self, const provider_config& config, call_id id, open_call& open) {
  if (open.request.send_by == nanoseconds{0})
    return;
  auto& state = self->state;
  open.deadline = state.wheel->schedule(id, latest_start(open.request));
  state.impatient.insert(id);
  start_ticking(self, config);
}

std::optional<call_outcome> refuse_wait(self_pointer self, const config_ptr& config, model_state& model,
                                        call& request, wall_time now) {
  // A count has an estimate for its answer.
  if (request.send_by == nanoseconds{0} || request.kind == call_kind::count_tokens)
    return std::nullopt;
  const auto wait = wait_of(self, *config, model, line_for(self, config, model, request.prompt_type));
  if (!wait || !would_be_late(request, *wait))
    return std::nullopt;
  auto out = failed_outcome(std::move(request), too_long(self, *config, *wait), now);
  out.retry_after = left_of(self, *wait);
  return out;
}

void end_late(self_pointer self, const config_ptr& config, model_state& model) {
  auto& state = self->state;
  if (state.impatient.empty())
    return;
  for (auto& line : model.lines) {
    const auto wait = wait_of(self, *config, model, *line);
    if (!wait || wait->until == line->looked_until)
      continue;
    line->looked_until = wait->until;
    std::vector<call_id> ending;
    std::erase_if(state.impatient, [&](call_id id) {
      const auto found = state.calls.find(id);
      if (found == state.calls.end())
        return true;
      auto& open = found->second;
      const bool waits = open.phase == call_phase::waiting || open.phase == call_phase::acquiring;
      if (!waits || open.line != line.get() || !would_be_late(open.request, *wait))
        return false;
      open.retry_after = left_of(self, *wait);
      line->queue.remove(open.run, id);
      ending.push_back(id);
      return true;
    });
    end_waiting(self, config, ending, too_long(self, *config, *wait));
  }
}

void end_in_line(self_pointer self, const config_ptr& config, call_id id, open_call& open) {
  const auto wait = wait_of(self, *config, *open.model, *open.line);
  open.retry_after = wait ? std::optional{left_of(self, *wait)} : std::nullopt;
  const fault reason{errc::rate_limited,
                     "the question waited for " + cause_now(self, *config, open) + " until its time was up",
                     "providers." + config->profile.id.value,
                     "ask again later, give the question more time, or ask another model"};
  open.line->queue.remove(open.run, id);
  end_waiting(self, config, {id}, reason);
}

void on_delayed(self_pointer self, const config_ptr& config, const slots_delayed& news) {
  auto& state = self->state;
  const auto found = state.models.find(news.model);
  if (found == state.models.end() || news.key >= state.keys.size())
    return;
  auto& model = *found->second;
  auto& gate = model.gates[news.key];
  const auto until = self->clock().now() + news.wait;
  gate.delayed_until = until;
  gate.delayed_by = news.limit;
  std::vector<call_id> late;
  for (const auto id : state.impatient) {
    const auto entry = state.calls.find(id);
    if (entry != state.calls.end() && entry->second.phase == call_phase::acquiring
        && entry->second.model == &model && entry->second.key == news.key
        && latest_start(entry->second.request) < until)
      late.push_back(id);
  }
  std::vector<call_id> moving;
  for (const auto id : late) {
    auto& open = state.calls.at(id);
    const auto wait = wait_of(self, *config, model, *open.line);
    if (!wait || !would_be_late(open.request, *wait)) {
      moving.push_back(id); // Another key may have room.
      continue;
    }
    open.retry_after = left_of(self, *wait);
    end_waiting(self, config, {id}, too_long(self, *config, *wait));
  }
  give_slots_back(self, moving);
  for (const auto id : moving)
    back_to_line(self, *config, id, state.calls.at(id));
  if (!moving.empty())
    gate.delayed_until = until; // They are not to come here again.
  pump(self, config, model);
}

void forget_impatient(self_pointer self) {
  auto& state = self->state;
  constexpr size_t worth_a_look = 64;
  if (state.impatient.size() > state.calls.size() + worth_a_look || state.calls.empty())
    std::erase_if(state.impatient, [&](call_id id) { return !state.calls.contains(id); });
}

} // namespace assay::provider_detail
