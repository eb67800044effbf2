#include "actors/experiments/experiment_supervisor_detail.hpp"
#include "protocol/errors.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace assay::experiment_supervisor_detail {

namespace {

using json = nlohmann::json;
using promise = experiment_supervisor_state::promise;
using pricing = experiment_supervisor_state::pricing;

/// Pinning reads every dataset whole.
constexpr std::chrono::minutes pricing_timeout{2};

std::string text_of(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

void refuse(promise& who, const fault& reason) { who.deliver(to_caf_error(reason)); }

/// Every child draws alike, and again alike after a restart.
void pin_seed(experiments::evaluation_plan& plan, int64_t seed) {
  auto settings = json::parse(plan.settings);
  if (settings.contains("random_seed"))
    return;
  settings["random_seed"] = seed;
  plan.settings = text_of(settings);
}

std::optional<fault> no_room_for(const experiment_supervisor_state& state,
                                 const experiment_supervisor_config& config, const ask_experiment& wish,
                                 const std::string& id) {
  const bool pricing_it =
      std::ranges::any_of(state.prices, [&](const auto& one) { return one.second.id == id; });
  if (state.known.contains(id) || pricing_it)
    return fault{errc::conflict, "there is an experiment '" + id + "' already", "experiment_id",
                 "choose another id, or leave it out"};
  const auto own = static_cast<size_t>(
      std::ranges::count_if(state.known, [&](const auto& one) { return one.second.head.owner == wish.who; }));
  if (state.known.size() >= config.most_experiments || own >= config.most_experiments_of_one)
    return fault{errc::busy, "there are as many experiments as the farm keeps", {}, "delete some"};
  return std::nullopt;
}

result<std::string> id_for(self_pointer self, const experiment_supervisor_config& config, const json& body) {
  const auto given = body.find("experiment_id");
  if (given == body.end() || given->is_null())
    return experiments::experiment_id(config.wall(),
                                      static_cast<uint32_t>(self->state.chance.roll() * 4294967296.0));
  if (!given->is_string() || !is_caller_id(given->get_ref<const std::string&>()))
    return fault{errc::invalid_argument, "is no id", "experiment_id", "1 to 128 of letters, digits, . _ -"};
  return given->get<std::string>();
}

void on_stored(self_pointer self, const config_ptr& config, const experiments::experiment_head& head,
               promise who, const std::optional<fault>& failed) {
  if (failed)
    return refuse(who, *failed);
  auto& one = self->state.known[head.id];
  one.head = head;
  one.policy = restart_policy{config->limits};
  start_child(self, config, one);
  who.deliver(experiment_answer{text_of(to_json(head)), head.version});
}

void store(self_pointer self, const config_ptr& config, const ask_experiment& wish, const std::string& id,
           experiments::priced_plan made, promise who) {
  experiments::experiment what;
  what.head.id = id;
  what.head.owner = wish.who;
  what.head.api_key = wish.api_key;
  what.head.key_budget = wish.key_budget;
  what.head.plan = text_of(to_json(made.plan));
  what.head.created_at = config->wall();
  what.head.estimated_cost = made.estimated_cost;
  what.head.notes = std::move(made.notes);
  what.children = std::move(made.children);
  experiments::count(what);
  std::vector<document_change> changes;
  for (size_t i = 0; i < what.children.size(); ++i)
    changes.push_back({"experiment_children", experiments::child_key(what.head, i),
                       experiments::to_stored(what.children[i]), false, std::nullopt});
  changes.push_back({"experiments", id, experiments::to_stored(what.head), true, std::nullopt});
  write(self, config, std::move(changes),
        [self, config, head = std::move(what.head), who](const std::optional<fault>& failed) {
          on_stored(self, config, head, who, failed);
        });
}

void on_priced(self_pointer self, const config_ptr& config, uint64_t ticket) {
  auto node = self->state.prices.extract(ticket);
  auto& done = node.mapped();
  auto made =
      experiments::price(std::move(done.plan), std::move(done.requests), done.told, config->plan_limits);
  if (!made)
    return refuse(done.who, made.error());
  if (done.id.empty()) {
    done.who.deliver(experiment_answer{text_of(to_json(*made)), 0});
    return;
  }
  store(self, config, done.wish, done.id, std::move(*made), done.who);
}

void ask_next(self_pointer self, const config_ptr& config, uint64_t ticket);

void on_told(self_pointer self, const config_ptr& config, uint64_t ticket, size_t number,
             const run_submitted& answer) {
  const auto found = self->state.prices.find(ticket);
  if (found == self->state.prices.end())
    return;
  auto& open = found->second;
  const auto& asked = open.questions[number];
  open.told.push_back({asked.model, asked.group, asked.configuration, answer.record.spec.total_samples(),
                       answer.estimated_cost, answer.notes});
  if (open.told.size() == open.questions.size())
    return on_priced(self, config, ticket);
  ask_next(self, config, ticket);
}

/// One mistake is enough; the answers that are still out find nobody.
void on_untold(self_pointer self, uint64_t ticket, size_t number, fault reason) {
  auto node = self->state.prices.extract(ticket);
  if (node.empty())
    return;
  auto& open = node.mapped();
  const auto& asked = open.questions[number];
  reason.where =
      experiments::place_in_plan(open.plan, asked.model, asked.group, asked.configuration, reason.where);
  refuse(open.who, reason);
}

void ask_next(self_pointer self, const config_ptr& config, uint64_t ticket) {
  auto& open = self->state.prices.at(ticket);
  if (open.next >= open.questions.size())
    return;
  const auto number = open.next++;
  submit_run message{
      open.questions[number].request, open.wish.who, {}, open.wish.api_key, open.wish.key_budget};
  self->request(config->runs, pricing_timeout, std::move(message))
      .then([self, config, ticket,
             number](const run_submitted& answer) { on_told(self, config, ticket, number, answer); },
            [self, ticket, number](const caf::error& error) {
              on_untold(self, ticket, number, to_fault(error));
            });
}

} // namespace

caf::result<experiment_answer> create(self_pointer self, const config_ptr& config, ask_experiment& wish) {
  auto& state = self->state;
  const auto body = json::parse(wish.body, nullptr, false);
  auto plan = experiments::plan_from_json(body);
  if (!plan)
    return to_caf_error(plan.error());
  pin_seed(*plan, static_cast<int64_t>(state.chance.roll() * 2147483647.0));
  pricing open;
  if (wish.verb == experiment_verb::create) {
    auto id = id_for(self, *config, body);
    if (!id)
      return to_caf_error(id.error());
    if (auto reason = no_room_for(state, *config, wish, *id))
      return to_caf_error(*reason);
    open.id = std::move(*id);
  }
  if (state.prices.size() >= config->most_pricing)
    return to_caf_error(
        {errc::busy, "the farm is pricing as many plans as it can", {}, "try again in a moment"});
  auto requests = experiments::expand(*plan, config->plan_limits);
  if (!requests)
    return to_caf_error(requests.error());
  auto questions = experiments::pricing_requests(*plan);
  if (!questions)
    return to_caf_error(questions.error());
  open.plan = std::move(*plan);
  open.requests = std::move(*requests);
  open.questions = std::move(*questions);
  open.wish = std::move(wish);
  open.who = self->make_response_promise<experiment_answer>();
  auto who = open.who;
  const auto ticket = state.next_ticket++;
  state.prices.emplace(ticket, std::move(open));
  for (size_t i = 0; i < config->questions_at_once; ++i)
    ask_next(self, config, ticket);
  return who;
}

} // namespace assay::experiment_supervisor_detail
