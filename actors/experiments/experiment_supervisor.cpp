#include "actors/experiments/experiment_supervisor.hpp"

#include "actors/experiments/experiment_supervisor_detail.hpp"
#include "protocol/errors.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace assay {

namespace {

using namespace experiment_supervisor_detail;
using json = nlohmann::json;
using entry = experiment_supervisor_state::entry;
using promise = experiment_supervisor_state::promise;
using experiments::experiment_state;

constexpr std::chrono::seconds store_timeout{5};
/// Of one write that erases.
constexpr uint64_t rows_a_write = 1'000;

std::string text_of(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

// -- erasing -----------------------------------------------------------------------------------------------

void on_erased(self_pointer self, const std::string& id, promise who, const std::optional<fault>& failed) {
  const auto found = self->state.known.find(id);
  if (found == self->state.known.end())
    return;
  found->second.erasing = false;
  if (failed) {
    who.deliver(to_caf_error(*failed));
    return;
  }
  self->state.known.erase(found);
  who.deliver(experiment_answer{text_of({{"experiment_id", id}, {"deleted", true}}), 0});
}

/// The last children first and the head at the end: what is left after a crash can be erased again.
void erase_rows(self_pointer self, const config_ptr& config, const std::string& id, uint64_t from,
                promise who) {
  const auto& head = self->state.known.at(id).head;
  const auto until = std::min(head.children, from + rows_a_write);
  std::vector<document_change> changes;
  for (auto i = from; i < until; ++i)
    changes.push_back(
        {"experiment_children", experiments::child_key(head, i), std::nullopt, false, std::nullopt});
  const bool last = until == head.children;
  if (last)
    changes.push_back({"experiments", id, std::nullopt, false, std::nullopt});
  write(self, config, std::move(changes),
        [self, config, id, until, last, who](const std::optional<fault>& failed) {
          if (!failed && !last)
            return erase_rows(self, config, id, until, who);
          on_erased(self, id, who, failed);
        });
}

caf::result<experiment_answer> erase(self_pointer self, const config_ptr& config, entry& one,
                                     const ask_experiment& wish) {
  if (wish.version && *wish.version != one.head.version)
    return to_caf_error({errc::conflict,
                         "the experiment has version " + std::to_string(one.head.version) + ", not "
                             + std::to_string(*wish.version),
                         "If-Match", "read it again"});
  if (!experiments::is_final(one.head.state) || one.child)
    return to_caf_error({errc::invalid_transition,
                         "the experiment '" + one.head.id + "' is " + std::string(to_string(one.head.state)),
                         {},
                         "cancel it first"});
  one.erasing = true;
  auto who = self->make_response_promise<experiment_answer>();
  erase_rows(self, config, one.head.id, 0, who);
  return who;
}

// -- asking ------------------------------------------------------------------------------------------------

caf::result<experiment_answer> list(const experiment_supervisor_state& state, const ask_experiment& wish) {
  std::vector<const experiments::experiment_head*> shown;
  for (const auto& [id, one] : state.known)
    if (!one.erasing && (wish.sees_all || one.head.owner == wish.who))
      shown.push_back(&one.head);
  std::ranges::stable_sort(shown, [](const auto* a, const auto* b) { return a->created_at > b->created_at; });
  auto out = json::array();
  for (const auto* one : shown)
    out.push_back(to_json(*one));
  return experiment_answer{text_of(out), 0};
}

caf::result<experiment_answer> ask(self_pointer self, const config_ptr& config, ask_experiment& wish) {
  auto& state = self->state;
  if (!state.recalled)
    return to_caf_error({errc::busy, "the experiments are being read", {}, "try again in a moment"});
  if (wish.verb == experiment_verb::create || wish.verb == experiment_verb::plan)
    return create(self, config, wish);
  if (wish.verb == experiment_verb::list)
    return list(state, wish);
  const auto found = state.known.find(wish.experiment);
  const bool mine = found != state.known.end() && found->second.head.owner == wish.who;
  if (found == state.known.end() || found->second.erasing || (!mine && !wish.sees_all))
    return to_caf_error({errc::not_found,
                         "there is no experiment '" + wish.experiment + "'",
                         {},
                         "GET /experiments lists them"});
  auto& one = found->second;
  if (wish.verb == experiment_verb::show)
    return experiment_answer{text_of(to_json(one.head)), one.head.version};
  if (!mine && !wish.changes_all)
    return to_caf_error(
        {errc::forbidden, "the experiment '" + wish.experiment + "' belongs to somebody else", {}, {}});
  if (wish.verb == experiment_verb::erase)
    return erase(self, config, one, wish);
  if (one.restart_at)
    return to_caf_error({errc::busy, "the experiment is being started again", {}, "try again in a moment"});
  // One that has ended, or that did not go on by itself, is read back for this.
  if (!one.child)
    start_child(self, config, one);
  return self->delegate(one.child, std::move(wish));
}

// -- falling and rising ------------------------------------------------------------------------------------

void on_down(self_pointer self, const caf::down_msg& down) {
  auto& state = self->state;
  if (!state.family.release(down.source))
    return;
  const auto found = std::ranges::find_if(state.known, [&](const auto& one) {
    return one.second.child && one.second.child.address() == down.source;
  });
  if (found == state.known.end())
    return;
  auto& one = found->second;
  one.child = experiment_actor{};
  if (!down.reason || down.reason == caf::exit_reason::normal)
    return;
  const auto now = self->clock().now();
  const auto wait = one.policy.on_fall(now, state.chance.roll());
  if (!wait)
    return self->quit(to_caf_error({errc::actor_lost,
                                    "the experiment '" + found->first + "' fell too often, the last time by: "
                                        + to_fault(down.reason).message,
                                    "experiment-supervisor",
                                    {}}));
  one.restart_at = now + *wait;
  self->delayed_send(self, *wait, tick{});
}

void on_tick(self_pointer self, const config_ptr& config) {
  const auto now = self->clock().now();
  for (auto& [id, one] : self->state.known)
    if (one.restart_at && *one.restart_at <= now) {
      one.restart_at.reset();
      if (!experiments::is_final(one.head.state))
        start_child(self, config, one);
    }
}

void take_heads(self_pointer self, const config_ptr& config, const experiments_recalled& news) {
  auto& state = self->state;
  if (news.error)
    return self->quit(to_caf_error(*news.error));
  for (const auto& text : news.heads) {
    auto head = experiments::head_from_stored(text);
    if (!head) {
      ++state.unreadable;
      spdlog::warn("an experiment is left out error=\"{}\"", to_string(head.error()));
      continue;
    }
    auto& one = state.known[head->id];
    one.head = std::move(*head);
    one.policy = restart_policy{config->limits};
    if (!experiments::is_final(one.head.state) && (!config->goes_on || config->goes_on(one.head.id)))
      start_child(self, config, one);
  }
  state.recalled = true;
}

void on_changed(experiment_supervisor_state& state, const experiment_changed& news) {
  const auto found = state.known.find(news.experiment);
  if (found == state.known.end())
    return;
  if (auto head = experiments::head_from_stored(news.head))
    found->second.head = std::move(*head);
}

void recall(self_pointer self, const config_ptr& config) {
  if (!config->workers || !config->read.experiments) {
    self->state.recalled = true;
    return;
  }
  const auto job = [target = experiment_supervisor_actor{self}, read = config->read.experiments] {
    caf::anon_send(target, read());
  };
  if (!config->workers->submit(job))
    self->quit(to_caf_error({errc::busy, "no worker is free to read the experiments", {}, {}}));
}

gauges count(const experiment_supervisor_state& state) {
  gauges out;
  std::map<experiment_state, double> by_state;
  for (const auto& [id, one] : state.known)
    ++by_state[one.head.state];
  for (const auto& [which, number] : by_state)
    out.values.push_back({metric::experiments, {std::string(to_string(which))}, number});
  return out;
}

} // namespace

namespace experiment_supervisor_detail {

void start_child(self_pointer self, const config_ptr& config, entry& one) {
  experiment_config child;
  child.head = experiments::to_stored(one.head);
  child.id = one.head.id;
  child.read = config->read;
  child.workers = config->workers;
  child.journal = config->journal;
  child.runs = config->runs;
  child.event_hub = config->event_hub;
  child.tick_interval = config->tick_interval;
  child.wall = config->wall;
  one.restart_at.reset();
  one.child = self->spawn(experiment_keeper, std::move(child), experiment_supervisor_actor{self});
  self->state.family.adopt(self, one.child);
}

void write(self_pointer self, const config_ptr& config, std::vector<document_change> changes,
           std::function<void(const std::optional<fault>&)> done) {
  append_and_wait message;
  message.batch.documents = std::move(changes);
  self->request(config->journal, store_timeout, std::move(message))
      .then([done](const committed& news) { done(news.error); },
            [done](const caf::error& reason) { done(std::optional<fault>{to_fault(reason)}); });
}

} // namespace experiment_supervisor_detail

experiment_supervisor_actor::behavior_type experiment_supervisor(self_pointer self,
                                                                 experiment_supervisor_config given) {
  self->state.chance = dice{given.seed};
  self->state.family.shield(self);
  const auto config = std::make_shared<const experiment_supervisor_config>(std::move(given));
  self->set_down_handler([self](const caf::down_msg& down) { on_down(self, down); });
  recall(self, config);
  return {
      [self, config](ask_experiment& wish) { return ask(self, config, wish); },
      [self](const read_gauges&) { return count(self->state); },
      [self, config](const experiments_recalled& news) { take_heads(self, config, news); },
      [self](const experiment_changed& news) { on_changed(self->state, news); },
      [self, config](const tick&) { on_tick(self, config); },
  };
}

} // namespace assay
