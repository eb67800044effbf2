#include "actors/schedules/schedule_supervisor.hpp"

#include "core/values/run_request.hpp"
#include "protocol/errors.hpp"
#include "storage/snapshot.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace assay {

namespace {

using json = nlohmann::json;
using self_pointer = schedule_supervisor_actor::stateful_pointer<schedule_supervisor_state>;
using config_ptr = std::shared_ptr<const schedule_supervisor_config>;
using entry = schedule_supervisor_state::entry;
using promise = caf::typed_response_promise<schedule_answer>;
using schedules::schedule;

constexpr std::chrono::seconds store_timeout{5};
/// Admission reads datasets.
constexpr std::chrono::seconds submission_timeout{60};
constexpr const char* table = "settings";
constexpr const char* key_prefix = "schedule/";

std::string text_of(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

schedule_answer answer_of(const schedule& value) { return {text_of(to_json(value, true)), value.version}; }

// -- writing -----------------------------------------------------------------------------------------------

/// A farm without schedules has no timer for them.
void start_ticking(self_pointer self, const config_ptr& config) {
  if (!self->state.schedules.empty() && !std::exchange(self->state.ticking, true))
    self->delayed_send(self, config->tick_interval, tick{});
}

/// Makes @p next durable, or removes the schedule when there is none; only then it counts.
void write(self_pointer self, const config_ptr& config, const std::string& id, std::optional<schedule> next,
           promise who) {
  self->state.schedules[id].changing = true;
  start_ticking(self, config);
  append_and_wait message;
  message.batch.documents.push_back(
      {table, key_prefix + id, next ? std::optional{to_stored(*next)} : std::nullopt, false, std::nullopt});
  auto failed = [self, id, who](const fault& reason) mutable {
    auto& all = self->state.schedules;
    if (const auto found = all.find(id); found != all.end()) {
      found->second.changing = false;
      // One that was never stored.
      if (found->second.value.id.empty())
        all.erase(found);
    }
    spdlog::error("a schedule could not be written schedule={} reason=\"{}\"", id, reason.message);
    if (who.pending())
      who.deliver(to_caf_error(reason));
  };
  self->request(config->journal, store_timeout, std::move(message))
      .then(
          [self, id, who, failed, next = std::move(next)](const committed& done) mutable {
            if (done.error)
              return failed(*done.error);
            if (!next) {
              self->state.schedules.erase(id);
              if (who.pending())
                who.deliver(schedule_answer{text_of({{"schedule_id", id}, {"deleted", true}}), 0});
              return;
            }
            auto& one = self->state.schedules[id];
            one.changing = false;
            one.value = std::move(*next);
            if (who.pending())
              who.deliver(answer_of(one.value));
          },
          [failed](const caf::error& reason) mutable { failed(to_fault(reason)); });
}

// -- firing ------------------------------------------------------------------------------------------------

bool is_passing(const fault& reason) {
  return reason.code == errc::busy || reason.code == errc::rate_limited || reason.code == errc::actor_lost
         || reason.code == errc::deadline_exceeded || reason.code == errc::shutting_down;
}

/// The time is over, with what came of it; the next one is the first that has not passed.
void end_fire(self_pointer self, const config_ptr& config, schedule next, schedules::fire what, promise who) {
  const auto id = next.id;
  if (!what.by_hand)
    plan_next(next, std::max(config->wall(), what.due));
  note_fire(next, std::move(what));
  write(self, config, id, std::move(next), std::move(who));
}

void fire(self_pointer self, const config_ptr& config, entry& one, wall_time due, bool by_hand, promise who) {
  auto next = one.value;
  if (by_hand)
    ++next.by_hand;
  schedules::fire what{due, {}, {}, by_hand};
  auto request = run_request_from_json(json::parse(next.evaluation, nullptr, false));
  if (!request) {
    what.error = to_string(request.error());
    return end_fire(self, config, std::move(next), std::move(what), std::move(who));
  }
  one.changing = true;
  submit_run message{std::move(*request), next.owner, name_of_run(next, due, by_hand), next.api_key,
                     next.key_budget};
  self->request(config->runs, submission_timeout, std::move(message))
      .then(
          [self, config, next, what, who](const run_submitted& made) mutable {
            what.run = made.record.spec.id;
            end_fire(self, config, std::move(next), std::move(what), std::move(who));
          },
          [self, config, next, what, who](const caf::error& error) mutable {
            const auto reason = to_fault(error);
            if (what.by_hand || is_passing(reason)) {
              // The time is not over: it is tried again, under the same name. Who asks by hand hears why.
              if (const auto found = self->state.schedules.find(next.id);
                  found != self->state.schedules.end()) {
                found->second.changing = false;
                if (!what.by_hand)
                  found->second.not_before = config->wall() + config->retry_after;
              }
              if (who.pending())
                who.deliver(error);
              return;
            }
            spdlog::warn("a scheduled evaluation cannot be made schedule={} reason=\"{}\"", next.id,
                         reason.message);
            what.error = to_string(reason);
            end_fire(self, config, std::move(next), std::move(what), std::move(who));
          });
}

void fire_due(self_pointer self, const config_ptr& config) {
  const auto now = config->wall();
  for (auto& [id, one] : self->state.schedules) {
    if (one.changing || !one.value.next || *one.value.next > now || (one.not_before && *one.not_before > now))
      continue;
    one.not_before.reset();
    fire(self, config, one, *one.value.next, false, promise{});
  }
}

// -- asking ------------------------------------------------------------------------------------------------

caf::result<schedule_answer> create(self_pointer self, const config_ptr& config, const ask_schedule& wish) {
  auto& all = self->state.schedules;
  auto made = schedules::schedule_from_json(json::parse(wish.body, nullptr, false));
  if (!made)
    return to_caf_error(made.error());
  if (all.contains(made->id))
    return to_caf_error({errc::conflict, "there is a schedule '" + made->id + "' already", "schedule_id",
                         "choose another id, or delete that one"});
  const auto own = static_cast<size_t>(
      std::ranges::count_if(all, [&](const auto& one) { return one.second.value.owner == wish.who; }));
  if (all.size() >= config->most_schedules || own >= config->most_of_one)
    return to_caf_error({errc::busy, "there are as many schedules as the farm keeps", {}, "delete some"});
  made->owner = wish.who;
  made->api_key = wish.api_key;
  made->key_budget = wish.key_budget;
  made->created_at = config->wall();
  plan_next(*made, made->created_at);
  auto who = self->make_response_promise<schedule_answer>();
  const auto id = made->id;
  write(self, config, id, std::move(*made), who);
  return who;
}

caf::result<schedule_answer> list(const schedule_supervisor_state& state, const ask_schedule& wish) {
  auto out = json::array();
  for (const auto& [id, one] : state.schedules)
    if (!one.value.id.empty() && (wish.sees_all || one.value.owner == wish.who))
      out.push_back(to_json(one.value, false));
  return schedule_answer{text_of(out), 0};
}

caf::result<schedule_answer> change(self_pointer self, const config_ptr& config, entry& one,
                                    const ask_schedule& wish) {
  auto next = one.value;
  switch (wish.verb) {
  case schedule_verb::update: {
    auto changed = schedules::changed(one.value, json::parse(wish.body, nullptr, false));
    if (!changed)
      return to_caf_error(changed.error());
    next = std::move(*changed);
    break;
  }
  case schedule_verb::pause:
  case schedule_verb::resume: {
    const bool enabled = wish.verb == schedule_verb::resume;
    if (next.enabled == enabled)
      return answer_of(next);
    next.enabled = enabled;
    ++next.version;
    break;
  }
  default:
    break;
  }
  auto who = self->make_response_promise<schedule_answer>();
  if (wish.verb == schedule_verb::run_now) {
    fire(self, config, one, config->wall(), true, who);
    return who;
  }
  const auto id = next.id;
  if (wish.verb == schedule_verb::erase) {
    write(self, config, id, std::nullopt, who);
    return who;
  }
  plan_next(next, config->wall());
  one.not_before.reset();
  write(self, config, id, std::move(next), who);
  return who;
}

caf::result<schedule_answer> ask(self_pointer self, const config_ptr& config, const ask_schedule& wish) {
  auto& state = self->state;
  if (!state.recalled)
    return to_caf_error({errc::busy, "the schedules are being read", {}, "try again in a moment"});
  if (wish.verb == schedule_verb::create)
    return create(self, config, wish);
  if (wish.verb == schedule_verb::list)
    return list(state, wish);
  const auto found = state.schedules.find(wish.schedule);
  const bool there = found != state.schedules.end() && !found->second.value.id.empty();
  const bool mine = there && found->second.value.owner == wish.who;
  if (!there || (!mine && !wish.sees_all))
    return to_caf_error(
        {errc::not_found, "there is no schedule '" + wish.schedule + "'", {}, "GET /schedules lists them"});
  auto& one = found->second;
  if (wish.verb == schedule_verb::show)
    return answer_of(one.value);
  if (!mine && !wish.changes_all)
    return to_caf_error(
        {errc::forbidden, "the schedule '" + wish.schedule + "' belongs to somebody else", {}, {}});
  if (wish.version && *wish.version != one.value.version)
    return to_caf_error({errc::conflict,
                         "the schedule has version " + std::to_string(one.value.version) + ", not "
                             + std::to_string(*wish.version),
                         "If-Match", "read it again"});
  if (one.changing)
    return to_caf_error({errc::busy, "the schedule is being changed", {}, "try again in a moment"});
  return change(self, config, one, wish);
}

// -- reading back ------------------------------------------------------------------------------------------

void take(self_pointer self, const config_ptr& config, const schedules_recalled& news) {
  if (news.error)
    return self->quit(to_caf_error(*news.error));
  for (const auto& text : news.records) {
    auto value = schedules::schedule_from_stored(text);
    if (!value) {
      spdlog::warn("a schedule is left out reason=\"{}\"", to_string(value.error()));
      continue;
    }
    const auto id = value->id;
    self->state.schedules[id].value = std::move(*value);
  }
  self->state.recalled = true;
  start_ticking(self, config);
}

void recall(self_pointer self, const config_ptr& config) {
  if (!config->workers || !config->recall) {
    self->state.recalled = true;
    return;
  }
  const auto job = [target = schedule_supervisor_actor{self}, read = config->recall] {
    caf::anon_send(target, read());
  };
  if (!config->workers->submit(job))
    self->quit(to_caf_error({errc::busy, "no worker is free to read the schedules", {}, {}}));
}

} // namespace

std::function<schedules_recalled()> make_schedule_recall(std::shared_ptr<storage::store> store) {
  return [store = std::move(store)] {
    schedules_recalled out;
    storage::document_query query;
    query.prefix = key_prefix;
    do {
      auto view = storage::snapshot::open(store);
      if (!view) {
        out.error = view.error();
        return out;
      }
      auto page = view->page_documents(storage::table::settings, query);
      if (!page) {
        out.error = page.error();
        return out;
      }
      for (auto& [key, document] : page->documents)
        out.records.push_back(std::move(document.bytes));
      query.after = page->next;
    } while (query.after);
    return out;
  };
}

schedule_supervisor_actor::behavior_type schedule_supervisor(self_pointer self,
                                                             schedule_supervisor_config given) {
  const auto config = std::make_shared<const schedule_supervisor_config>(std::move(given));
  recall(self, config);
  return {
      [self, config](const ask_schedule& wish) { return ask(self, config, wish); },
      [self, config](const schedules_recalled& news) { take(self, config, news); },
      [self, config](const tick&) {
        self->state.ticking = false;
        if (self->state.recalled)
          fire_due(self, config);
        start_ticking(self, config);
      },
  };
}

} // namespace assay
