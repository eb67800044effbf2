#include "core/experiments/experiment.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <map>
#include <numeric>
#include <utility>

namespace assay::experiments {

namespace {

/// How often a child that ran out of money may go on when some came back.
constexpr uint32_t most_top_ups = 3;

/// What @p child takes away from the budget now.
money committed_to(const experiment_child& child) {
  if (is_active(child.state))
    return child.granted.value_or(money{});
  // One that waits for another try has spent something already.
  if (child.run.empty())
    return {};
  const auto cost = child.cost.value_or(child.granted.value_or(money{}));
  return child.possibly_billed > 0 ? std::max(cost, child.granted.value_or(money{})) : cost;
}

double size_of(const experiment_child& child) {
  const double price = child.price ? static_cast<double>(child.price->nanodollars) : 0;
  return price > 0 ? price : std::max<double>(1.0, static_cast<double>(child.samples));
}

bool is_hopeful(const experiment_child& child) {
  return child.state == child_state::completed || !is_final(child.state);
}

void end_child(experiment_child& child, child_state state, const fault* reason) {
  child.state = state;
  child.held = false;
  child.not_before.reset();
  child.error = reason == nullptr ? std::string{} : to_string(*reason);
  child.error_code = reason == nullptr ? errc::internal : reason->code;
}

/// Whether the plan's own rule starts the child again.
bool tries_again(const experiment& of, experiment_child& child, errc code, wall_time now) {
  if (of.head.state == experiment_state::cancelling || child.tries >= of.plan.retry.attempts
      || code == errc::budget_exhausted || code == errc::invalid_argument || code == errc::cancelled)
    return false;
  child.not_before = now + of.plan.retry.delay * (int64_t{1} << std::min<uint32_t>(child.tries, 16));
  ++child.tries;
  child.state = child_state::waiting;
  child.held = false;
  return true;
}

fault cannot(const experiment_head& head, run_verb verb) {
  return {errc::invalid_transition,
          "the experiment '" + head.id + "' is " + std::string(to_string(head.state)) + " and cannot "
              + std::string(to_string(verb)),
          {},
          is_final(head.state) ? "retry asks what failed again; else start another one" : ""};
}

/// Failed and skipped children wait again.
bool wait_again(experiment& of) {
  bool any = false;
  for (auto& child : of.children) {
    if (child.state != child_state::failed && child.state != child_state::skipped)
      continue;
    child.state = child_state::waiting;
    child.tries = 0;
    child.top_ups = 0;
    child.not_before.reset();
    any = true;
  }
  return any;
}

} // namespace

std::string_view to_string(experiment_state state) noexcept {
  switch (state) {
  case experiment_state::running:
    return "running";
  case experiment_state::paused:
    return "paused";
  case experiment_state::cancelling:
    return "cancelling";
  case experiment_state::completed:
    return "completed";
  case experiment_state::failed:
    return "failed";
  case experiment_state::cancelled:
    return "cancelled";
  }
  return "failed";
}

std::string_view to_string(child_state state) noexcept {
  switch (state) {
  case child_state::waiting:
    return "waiting";
  case child_state::starting:
    return "starting";
  case child_state::running:
    return "running";
  case child_state::completed:
    return "completed";
  case child_state::failed:
    return "failed";
  case child_state::cancelled:
    return "cancelled";
  case child_state::skipped:
    return "skipped";
  }
  return "failed";
}

std::optional<money> remaining_budget(const experiment& of) {
  if (!of.plan.max_cost)
    return std::nullopt;
  money left = *of.plan.max_cost;
  for (const auto& child : of.children)
    left -= committed_to(child);
  return std::max(left, money{});
}

std::optional<money> grant_for(const experiment& of, size_t child) {
  const auto left = remaining_budget(of);
  if (!left)
    return std::nullopt;
  double all = 0;
  for (const auto& one : of.children)
    if (one.state == child_state::waiting)
      all += size_of(one);
  const auto& wanted = of.children[child];
  const double share = all > 0 ? std::min(1.0, size_of(wanted) / all) : 1.0;
  auto grant = money{static_cast<int64_t>(static_cast<double>(left->nanodollars) * share)};
  // What its run has cost already is part of what it may cost in all.
  if (!wanted.run.empty())
    grant += committed_to(wanted);
  return std::min(grant, *left + committed_to(wanted));
}

std::vector<size_t> startable(const experiment& of, wall_time now) {
  std::vector<size_t> out;
  if (of.head.state != experiment_state::running)
    return out;
  const auto active = static_cast<size_t>(
      std::ranges::count_if(of.children, [](const auto& one) { return is_active(one.state); }));
  const auto room = of.plan.max_parallel - std::min<size_t>(of.plan.max_parallel, active);
  if (room == 0)
    return out;
  for (size_t i = 0; i < of.children.size(); ++i) {
    const auto& child = of.children[i];
    if (child.state == child_state::waiting && (!child.not_before || *child.not_before <= now)
        && std::ranges::all_of(of.requests[i].after,
                               [&](size_t one) { return of.children[one].state == child_state::completed; }))
      out.push_back(i);
  }
  std::ranges::stable_sort(out, [&](size_t a, size_t b) {
    return of.plan.groups[of.requests[a].group].priority > of.plan.groups[of.requests[b].group].priority;
  });
  if (out.size() > room)
    out.resize(room);
  return out;
}

bool take_run(experiment& of, size_t index, const run_record& run, wall_time now) {
  auto& child = of.children[index];
  const bool is_new = child.run != run.spec.id || child.state == child_state::starting;
  child.run = run.spec.id;
  child.done = run.progress.done;
  child.failed_samples = run.progress.failed;
  if (run.progress.total > 0)
    child.samples = run.progress.total;
  if (!is_final(run.state)) {
    child.state = child_state::running;
    return is_new;
  }
  child.cost = run.progress.cost;
  child.possibly_billed = possibly_billed_at_most(run);
  child.score = run.progress.score();
  child.execution_time = execution_time_of(run);
  if (run.state == run_state::completed) {
    end_child(child, child_state::completed, nullptr);
  } else if (run.state == run_state::cancelled) {
    const fault reason{errc::cancelled, "its run was cancelled", {}, {}};
    end_child(child, child_state::cancelled, &reason);
  } else {
    const auto reason = run.error.value_or(fault{errc::internal, "its run failed", {}, {}});
    take_failure(of, index, reason, now);
  }
  return true;
}

void take_failure(experiment& of, size_t index, const fault& reason, wall_time now) {
  auto& child = of.children[index];
  end_child(child, child_state::failed, &reason);
  tries_again(of, child, reason.code, now);
}

std::vector<size_t> skip_hopeless(experiment& of, wall_time now) {
  std::vector<size_t> out;
  const auto skip = [&](size_t i, const fault& reason) {
    end_child(of.children[i], child_state::skipped, &reason);
    out.push_back(i);
  };
  // A child may come before those that it waits for, so one pass is not enough.
  for (bool any = true; any;) {
    any = false;
    for (size_t i = 0; i < of.children.size(); ++i) {
      if (of.children[i].state != child_state::waiting)
        continue;
      const auto lost = std::ranges::find_if(of.requests[i].after,
                                             [&](size_t one) { return !is_hopeful(of.children[one]); });
      if (lost == of.requests[i].after.end())
        continue;
      skip(i, {errc::conflict,
               "'" + of.requests[*lost].key + "', which it depends on, is "
                   + std::string(to_string(of.children[*lost].state)),
               {},
               {}});
      any = true;
    }
  }
  const auto left = remaining_budget(of);
  const bool works = std::ranges::any_of(of.children, [](const auto& one) { return is_active(one.state); });
  if (left && *left <= money{} && !works)
    for (size_t i = 0; i < of.children.size(); ++i)
      if (of.children[i].state == child_state::waiting
          && (!of.children[i].not_before || *of.children[i].not_before <= now))
        skip(i, {errc::budget_exhausted, "the plan's max_cost is spent", "max_cost", {}});
  return out;
}

std::vector<size_t> top_up(experiment& of) {
  std::vector<size_t> out;
  const auto left = remaining_budget(of);
  if (!left || *left <= money{} || of.head.state != experiment_state::running
      || !std::ranges::all_of(of.children, [](const auto& one) { return is_final(one.state); }))
    return out;
  for (size_t i = 0; i < of.children.size(); ++i) {
    auto& child = of.children[i];
    if (child.state != child_state::failed || child.error_code != errc::budget_exhausted || child.run.empty()
        || child.top_ups >= most_top_ups)
      continue;
    ++child.top_ups;
    child.state = child_state::waiting;
    out.push_back(i);
  }
  return out;
}

void count(experiment& of) noexcept {
  of.head.children = of.children.size();
  of.head.ended_children = 0;
  of.head.failed_children = 0;
  of.head.samples = 0;
  for (const auto& child : of.children) {
    of.head.ended_children += is_final(child.state) ? 1 : 0;
    of.head.failed_children +=
        child.state == child_state::failed || child.state == child_state::skipped ? 1 : 0;
    of.head.samples += child.samples;
  }
}

bool end_if_over(experiment& of, wall_time now) {
  if (is_final(of.head.state)
      || !std::ranges::all_of(of.children, [](const auto& one) { return is_final(one.state); }))
    return false;
  const bool any =
      std::ranges::any_of(of.children, [](const auto& one) { return one.state == child_state::completed; });
  of.head.state = of.head.state == experiment_state::cancelling ? experiment_state::cancelled
                  : any                                         ? experiment_state::completed
                                                                : experiment_state::failed;
  of.head.ended_at = now;
  return true;
}

result<bool> apply(experiment& of, run_verb verb) {
  auto& head = of.head;
  const auto go_to = [&](experiment_state state) {
    head.state = state;
    ++head.version;
    return true;
  };
  switch (verb) {
  case run_verb::pause:
    if (head.state == experiment_state::paused)
      return false;
    if (head.state != experiment_state::running)
      return cannot(head, verb);
    return go_to(experiment_state::paused);
  case run_verb::resume:
    if (head.state == experiment_state::running)
      return false;
    if (head.state != experiment_state::paused)
      return cannot(head, verb);
    return go_to(experiment_state::running);
  case run_verb::cancel: {
    if (head.state == experiment_state::cancelling || head.state == experiment_state::cancelled)
      return false;
    if (is_final(head.state))
      return cannot(head, verb);
    const fault reason{errc::cancelled, "the experiment was cancelled", {}, {}};
    for (auto& child : of.children)
      if (child.state == child_state::waiting)
        end_child(child, child_state::cancelled, &reason);
    return go_to(experiment_state::cancelling);
  }
  case run_verb::retry:
    if (head.state != experiment_state::completed && head.state != experiment_state::failed)
      return cannot(head, verb);
    if (!wait_again(of))
      return false;
    head.ended_at.reset();
    return go_to(experiment_state::running);
  case run_verb::purge:
  case run_verb::redact:
    break;
  }
  return cannot(head, verb);
}

std::string experiment_id(wall_time now, uint32_t random) {
  const auto unix_seconds = std::chrono::floor<seconds>(now).time_since_epoch().count();
  char out[40];
  std::snprintf(out, sizeof out, "exp_%010lld_%08x", static_cast<long long>(unix_seconds), random);
  return out;
}

} // namespace assay::experiments
