#include "server/model_choice.hpp"

#include "server/farm_access.hpp"

#include <algorithm>
#include <utility>

namespace assay::server {

namespace {

using control::selection_candidate;
template <class T>
using awaitable = boost::asio::awaitable<T>;

constexpr std::string_view choice_word = "auto";

/// The hour, or the day when nothing was asked in the hour.
void add_seen(const monitoring::monitor_view& view, selection_candidate& out) {
  for (const auto& one : view.models) {
    if (one.model != out.model.id || one.provider != out.model.provider)
      continue;
    const auto& seen = one.windows.hour.samples > 0 ? one.windows.hour : one.windows.day;
    out.samples = seen.samples;
    out.success_rate = seen.success_rate();
    if (seen.samples > seen.failures && seen.measured > 0)
      out.latency = std::chrono::duration<double>(seen.mean).count();
    const auto& judged = one.windows.day;
    if (judged.quality) {
      out.quality = judged.quality;
      out.judged = judged.judged;
    }
  }
}

void add_routing(const monitoring::routing_view& view, selection_candidate& out) {
  const auto is_this = [&](const monitoring::route_target_view& one) {
    return one.model == out.model.id && one.provider == out.model.provider;
  };
  for (const auto& route : view.routes)
    if (const auto found = std::ranges::find_if(route.targets, is_this);
        found != route.targets.end() && !out.quality)
      out.quality = found->quality;
  if (const auto found = std::ranges::find_if(view.targets, is_this); found != view.targets.end()) {
    out.available = found->available;
    out.why = found->why;
  }
}

std::vector<selection_candidate> candidates_of(const edge_services& edge,
                                               const monitoring::monitor_view& seen,
                                               const monitoring::routing_view& routing) {
  std::vector<selection_candidate> out;
  const auto known = edge.options.current_catalogue ? edge.options.current_catalogue() : nullptr;
  if (!known)
    return out;
  for (const auto& model : known->models) {
    // The models that a route leads to are candidates themselves; a model that only falls back is one.
    const bool is_route = !model.route.models.empty() && model.route.models.front().model != model.id;
    if (is_route)
      continue;
    selection_candidate one;
    one.model = model;
    add_seen(seen, one);
    add_routing(routing, one);
    out.push_back(std::move(one));
  }
  return out;
}

/// Leaves out what would be refused, and answers that nobody thinks about.
void keep_askable(const edge_services& edge, std::vector<selection_candidate>& all) {
  const auto known = edge.options.current_catalogue ? edge.options.current_catalogue() : nullptr;
  std::erase_if(all, [&](const auto& one) {
    return known && std::ranges::any_of(known->providers, [&](const auto& provider) {
             return provider.id == one.model.provider && !provider.usable;
           });
  });
  if (std::ranges::any_of(all, [](const auto& one) { return !one.model.simulated; }))
    std::erase_if(all, [](const auto& one) { return one.model.simulated; });
}

std::string reason_for(const control::selected_model& best, const std::vector<selection_candidate>& all,
                       control::selection_priority priority, size_t ranked) {
  const auto& model = all[best.candidate].model;
  auto out = model.id.value + " of " + model.provider.value + ", the best of " + std::to_string(ranked)
             + " by " + std::string(control::to_string(priority));
  for (size_t i = 0; i < best.reasons.size(); ++i)
    out += (i == 0 ? ": " : ", ") + best.reasons[i];
  return out;
}

} // namespace

awaitable<result<std::vector<selection_candidate>>> gather_candidates(edge_services& edge) {
  auto seen = co_await edge.farm.read_monitor();
  if (!seen)
    co_return seen.error();
  auto routing = co_await edge.farm.read_routing();
  if (!routing)
    co_return routing.error();
  co_return candidates_of(edge, *seen, *routing);
}

fault nothing_fits(const control::model_selection& found, const std::vector<selection_candidate>& all) {
  constexpr size_t most_named = 3;
  std::string why;
  for (size_t i = 0; i < std::min(most_named, found.excluded.size()); ++i)
    why += (why.empty() ? "" : "; ") + all[found.excluded[i].candidate].model.id.value + " "
           + found.excluded[i].reason;
  return {errc::not_found, "no model can do this", {}, why.empty() ? "GET /models lists none" : why};
}

bool leaves_choice(const edge_services& edge, std::string_view model) {
  if (!model.starts_with(choice_word)
      || (model.size() > choice_word.size() && model[choice_word.size()] != ':'))
    return false;
  const auto known = edge.options.current_catalogue ? edge.options.current_catalogue() : nullptr;
  return !known
         || std::ranges::none_of(known->models, [&](const auto& one) { return one.id.value == model; });
}

awaitable<result<chosen_model>> choose_model(edge_services& edge, std::string word,
                                             control::selection_wish wish) {
  if (word.size() > choice_word.size()) {
    const auto priority = control::selection_priority_from_string(word.substr(choice_word.size() + 1));
    if (!priority)
      co_return fault{errc::invalid_argument, "`" + word + "` names no priority", "model",
                      "auto, auto:balanced, auto:speed, auto:quality or auto:cost"};
    wish.priority = *priority;
  }
  auto gathered = co_await gather_candidates(edge);
  if (!gathered)
    co_return gathered.error();
  auto& all = *gathered;
  keep_askable(edge, all);
  const auto found = control::select_models(wish, all);
  if (found.ranked.empty())
    co_return nothing_fits(found, all);
  chosen_model out;
  const auto& best = found.ranked.front();
  out.model = all[best.candidate].model.id.value;
  out.why = reason_for(best, all, wish.priority, found.ranked.size());
  co_return std::move(out);
}

awaitable<result<void>> settle_model(edge_services& edge, submit_run& message) {
  auto& request = message.request;
  if (!request.model_kind.empty() || !request.model_args.empty() || !leaves_choice(edge, request.model.value))
    co_return result<void>{};
  if (!message.idempotency_key.empty())
    co_return fault{
        errc::invalid_argument,
        "an idempotency key needs the name of a model: the same request may get another one later",
        "model_id", "POST /llm_api/select names one"};
  control::selection_wish wish;
  wish.answer_tokens = request.generation.max_tokens.value_or(0);
  auto chosen = co_await choose_model(edge, request.model.value, std::move(wish));
  if (!chosen)
    co_return chosen.error();
  request.notes.push_back("model '" + request.model.value + "' is " + chosen->why);
  request.model = model_id{std::move(chosen->model)};
  request.model_choice = std::move(chosen->why);
  co_return result<void>{};
}

} // namespace assay::server
