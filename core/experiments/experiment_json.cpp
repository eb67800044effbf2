#include "core/experiments/experiment.hpp"
#include "core/values/json_fields.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cstdio>
#include <utility>

namespace assay::experiments {

namespace {

using json = nlohmann::json;

constexpr std::array experiment_states{experiment_state::running,    experiment_state::paused,
                                       experiment_state::cancelling, experiment_state::completed,
                                       experiment_state::failed,     experiment_state::cancelled};
constexpr std::array child_states{child_state::waiting,   child_state::starting, child_state::running,
                                  child_state::completed, child_state::failed,   child_state::cancelled,
                                  child_state::skipped};

std::string text_of(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

fault unreadable(const std::string& why) {
  return {errc::store_unreadable, "a stored experiment cannot be read: " + why, "experiments", {}};
}

json dollars(const std::optional<money>& amount) {
  return amount ? json(to_dollars(*amount)) : json(nullptr);
}

template <class T>
json or_null(const std::optional<T>& value) {
  return value ? json(*value) : json(nullptr);
}

void write_money(json& out, const char* key, const std::optional<money>& amount) {
  if (amount)
    out[key] = amount->nanodollars;
}

template <class States, class State>
void read_state(const json& from, const States& known, State& out) {
  const auto word = from.value("state", std::string{});
  for (const auto one : known)
    if (word == to_string(one))
      out = one;
}

json child_json(const experiment& of, size_t i) {
  const auto& child = of.children[i];
  const auto& request = of.requests[i];
  return {{"key", request.key},
          {"state", std::string(to_string(child.state))},
          {"evaluation_id", child.run.empty() ? json(nullptr) : json(to_string(child.run))},
          {"configuration", of.plan.configurations[request.configuration].name},
          {"prompt_type", request.prompt ? json(of.plan.prompt_types[*request.prompt]) : json(nullptr)},
          {"repeat", request.repeat + 1},
          {"samples", child.samples},
          {"done", child.done},
          {"failed", child.failed_samples},
          {"score", or_null(child.score)},
          {"cost", dollars(child.cost)},
          {"max_cost", dollars(child.granted)},
          {"retries", child.tries},
          {"error", child.error.empty() ? json(nullptr) : json(child.error)}};
}

/// What is summed up for every branch of the tree.
struct branch {
  uint64_t children = 0;
  uint64_t ended = 0;
  uint64_t failed = 0;
  uint64_t samples = 0;
  uint64_t done = 0;
  money cost;

  void add(const experiment_child& child) {
    ++children;
    ended += is_final(child.state) ? 1 : 0;
    failed += child.state == child_state::failed || child.state == child_state::skipped ? 1 : 0;
    samples += child.samples;
    done += child.done;
    cost += child.cost.value_or(money{});
  }
  json shown(const std::string& name) const {
    return {{"name", name},
            {"children", children},
            {"ended", ended},
            {"failed", failed},
            {"samples", samples},
            {"done", done},
            {"progress", samples == 0 ? 0.0 : static_cast<double>(done) / static_cast<double>(samples)},
            {"cost", to_dollars(cost)}};
  }
};

json group_json(const experiment& of, size_t model, size_t group) {
  branch sum;
  json children = json::array();
  for (size_t i = 0; i < of.children.size(); ++i)
    if (of.requests[i].model == model && of.requests[i].group == group) {
      sum.add(of.children[i]);
      children.push_back(child_json(of, i));
    }
  auto out = sum.shown(of.plan.groups[group].name);
  out["runs"] = std::move(children);
  return out;
}

json model_json(const experiment& of, size_t model) {
  branch sum;
  for (size_t i = 0; i < of.children.size(); ++i)
    if (of.requests[i].model == model)
      sum.add(of.children[i]);
  auto out = sum.shown(of.plan.models[model].name);
  out["task_groups"] = json::array();
  for (size_t group = 0; group < of.plan.groups.size(); ++group)
    out["task_groups"].push_back(group_json(of, model, group));
  return out;
}

} // namespace

std::string to_stored(const experiment_head& head) {
  json out{{"id", head.id},
           {"owner", head.owner.value},
           {"plan", head.plan},
           {"version", head.version},
           {"changes", head.changes},
           {"state", std::string(to_string(head.state))},
           {"created_at", head.created_at.time_since_epoch().count()},
           {"children", head.children},
           {"ended_children", head.ended_children},
           {"failed_children", head.failed_children},
           {"samples", head.samples},
           {"notes", head.notes}};
  if (!head.api_key.empty())
    out["api_key"] = head.api_key;
  write_money(out, "key_budget", head.key_budget);
  write_money(out, "estimated_cost", head.estimated_cost);
  json_fields::write(out, "ended_at", head.ended_at);
  return text_of(out);
}

std::string to_stored(const experiment_child& child) {
  json out{{"state", std::string(to_string(child.state))}, {"samples", child.samples}};
  if (!child.run.empty())
    out["run"] = child.run.value;
  write_money(out, "price", child.price);
  write_money(out, "granted", child.granted);
  write_money(out, "cost", child.cost);
  out["possibly_billed"] = child.possibly_billed;
  out["done"] = child.done;
  out["failed_samples"] = child.failed_samples;
  if (child.score)
    out["score"] = *child.score;
  if (child.execution_time)
    out["execution_time"] = child.execution_time->count();
  out["tries"] = child.tries;
  out["top_ups"] = child.top_ups;
  out["held"] = child.held;
  json_fields::write(out, "not_before", child.not_before);
  if (!child.error.empty()) {
    out["error"] = child.error;
    out["error_code"] = std::string(to_string(child.error_code));
  }
  return text_of(out);
}

result<experiment_head> head_from_stored(std::string_view text) {
  const auto from = json::parse(text, nullptr, false);
  if (!from.is_object())
    return unreadable("it is no object");
  experiment_head out;
  try {
    json_fields::read(from, "id", out.id);
    json_fields::read(from, "owner", out.owner.value);
    json_fields::read(from, "api_key", out.api_key);
    json_fields::read(from, "key_budget", out.key_budget);
    json_fields::read(from, "plan", out.plan);
    json_fields::read(from, "version", out.version);
    json_fields::read(from, "changes", out.changes);
    json_fields::read(from, "created_at", out.created_at);
    json_fields::read(from, "ended_at", out.ended_at);
    json_fields::read(from, "children", out.children);
    json_fields::read(from, "ended_children", out.ended_children);
    json_fields::read(from, "failed_children", out.failed_children);
    json_fields::read(from, "samples", out.samples);
    json_fields::read(from, "estimated_cost", out.estimated_cost);
    json_fields::read(from, "notes", out.notes);
    read_state(from, experiment_states, out.state);
  } catch (const json::exception& reason) {
    return unreadable(reason.what());
  }
  if (out.id.empty() || out.plan.empty())
    return unreadable("it has no id or no plan");
  return out;
}

result<experiment_child> child_from_stored(std::string_view text) {
  const auto from = json::parse(text, nullptr, false);
  if (!from.is_object())
    return unreadable("a child is no object");
  experiment_child out;
  try {
    uint64_t run = 0;
    std::optional<int64_t> time;
    std::string code;
    json_fields::read(from, "run", run);
    out.run = run_id{run};
    json_fields::read(from, "samples", out.samples);
    json_fields::read(from, "price", out.price);
    json_fields::read(from, "granted", out.granted);
    json_fields::read(from, "cost", out.cost);
    json_fields::read(from, "possibly_billed", out.possibly_billed);
    json_fields::read(from, "done", out.done);
    json_fields::read(from, "failed_samples", out.failed_samples);
    json_fields::read(from, "score", out.score);
    json_fields::read(from, "execution_time", time);
    if (time)
      out.execution_time = milliseconds{*time};
    json_fields::read(from, "tries", out.tries);
    json_fields::read(from, "top_ups", out.top_ups);
    json_fields::read(from, "held", out.held);
    json_fields::read(from, "not_before", out.not_before);
    json_fields::read(from, "error", out.error);
    json_fields::read(from, "error_code", code);
    if (!code.empty())
      out.error_code = errc_from_string(code);
    read_state(from, child_states, out.state);
  } catch (const json::exception& reason) {
    return unreadable(reason.what());
  }
  return out;
}

result<experiment> from_stored(std::string_view head, const std::vector<std::string>& children) {
  experiment out;
  auto read = head_from_stored(head);
  if (!read)
    return read.error();
  out.head = std::move(*read);
  auto plan = plan_from_json(json::parse(out.head.plan, nullptr, false));
  if (!plan)
    return unreadable(to_string(plan.error()));
  out.plan = std::move(*plan);
  plan_limits any;
  any.most_children = std::max<uint64_t>(any.most_children, count_children(out.plan));
  auto requests = expand(out.plan, any);
  if (!requests)
    return unreadable(to_string(requests.error()));
  out.requests = std::move(*requests);
  if (children.size() != out.requests.size())
    return unreadable("it has " + std::to_string(children.size()) + " child runs instead of "
                      + std::to_string(out.requests.size()));
  for (const auto& text : children) {
    auto child = child_from_stored(text);
    if (!child)
      return child.error();
    out.children.push_back(std::move(*child));
  }
  return out;
}

std::string children_prefix(const experiment_head& head) {
  // Another experiment of the same id at another time has other keys.
  return head.id + "/" + std::to_string(head.created_at.time_since_epoch().count()) + "/";
}

std::string child_key(const experiment_head& head, uint64_t number) {
  char text[24];
  std::snprintf(text, sizeof text, "%010llu", static_cast<unsigned long long>(number));
  return children_prefix(head) + text;
}

json to_json(const experiment_head& head) {
  const auto plan = json::parse(head.plan, nullptr, false);
  const auto from_plan = [&](const char* key) {
    return plan.is_object() && plan.contains(key) ? plan.at(key) : json(nullptr);
  };
  return {{"experiment_id", head.id},
          {"experiment_name", from_plan("experiment_name")},
          {"description", from_plan("description")},
          {"state", std::string(to_string(head.state))},
          {"status", std::string(to_string(head.state))},
          {"version", head.version},
          {"owner", head.owner.value},
          {"created_at", to_rfc3339(head.created_at)},
          {"ended_at", json_fields::time_or_null(head.ended_at)},
          {"total_children", head.children},
          {"ended_children", head.ended_children},
          {"failed_children", head.failed_children},
          {"total_samples", head.samples},
          {"progress", head.children == 0
                           ? 0.0
                           : static_cast<double>(head.ended_children) / static_cast<double>(head.children)},
          {"estimated_cost", dollars(head.estimated_cost)},
          {"max_cost", from_plan("max_cost")},
          {"notes", head.notes}};
}

json to_json(const experiment& of) {
  auto out = to_json(of.head);
  branch sum;
  for (const auto& child : of.children)
    sum.add(child);
  out["done_samples"] = sum.done;
  out["progress"] = sum.samples == 0 ? 0.0 : static_cast<double>(sum.done) / static_cast<double>(sum.samples);
  if (of.head.state == experiment_state::completed)
    out["progress"] = 1.0;
  out["cost"] = to_dollars(sum.cost);
  out["remaining_budget"] = dollars(remaining_budget(of));
  out["models"] = json::array();
  for (size_t model = 0; model < of.plan.models.size(); ++model)
    out["models"].push_back(model_json(of, model));
  out["plan"] = to_json(of.plan);
  return out;
}

} // namespace assay::experiments
