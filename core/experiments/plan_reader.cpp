#include "core/experiments/plan.hpp"
#include "core/experiments/plan_detail.hpp"
#include "core/values/closest_word.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <utility>

namespace assay::experiments {

using namespace plan_detail;

namespace {

using json = nlohmann::json;

constexpr size_t most_models = 100;
constexpr size_t most_groups = 200;
constexpr size_t most_configurations = 100;
constexpr size_t most_prompt_types = 50;
constexpr size_t most_tasks = 1'000;
constexpr size_t longest_name = 128;
constexpr size_t longest_description = 4'096;
constexpr size_t longest_arguments = 1'024;
constexpr size_t largest_settings = 65'536;
constexpr double longest_seconds = 30.0 * 24 * 3600;

constexpr std::array<std::string_view, 21> plan_keys{
    "experiment_name", "name",           "description",   "models",       "task_groups",
    "tasks",           "configurations", "configuration", "prompt_types", "repeats",
    "max_parallel",    "max_cost",       "timeout",       "priority",     "weight",
    "retry",           "experiment_id",  "dry_run",       "request_id",   "evaluation_plan",
    "max_workers"};
constexpr std::array<std::string_view, 4> model_keys{"name", "model", "model_id", "model_args"};
constexpr std::array<std::string_view, 4> group_keys{"name", "tasks", "depends_on", "priority"};
constexpr std::array<std::string_view, 2> retry_keys{"attempts", "delay"};

std::string text_of(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

std::string at(const std::string& list, size_t i) { return list + "[" + std::to_string(i) + "]"; }

/// Reads a plan, part by part, and keeps the first thing that is wrong.
class reader {
public:
  explicit reader(const json& from) : from_(from) {}

  result<evaluation_plan> read(std::string_view name);

private:
  bool failed() const noexcept { return wrong_.has_value(); }
  void refuse(fault reason) {
    if (!wrong_)
      wrong_ = std::move(reason);
  }
  void refuse(std::string where, std::string message, std::string hint = {}) {
    refuse(wrong(std::move(where), std::move(message), std::move(hint)));
  }

  static const json* find(const json& in, const char* key) {
    const auto found = in.find(key);
    return found == in.end() || found->is_null() ? nullptr : &*found;
  }
  template <size_t N>
  void only(const json& in, const std::array<std::string_view, N>& known, const std::string& place,
            const char* hint = "");
  std::string text(const json* value, const std::string& place, size_t longest);
  std::vector<std::string> names(const json* value, const std::string& place, size_t most);
  double number(const json* value, const std::string& place, double lowest, double highest, double usual);
  int64_t whole(const json* value, const std::string& place, int64_t lowest, int64_t highest, int64_t usual);
  std::string settings(const json& value, const std::string& place);

  void read_models();
  plan_model read_model(const json& value, const std::string& place);
  void read_groups();
  void check_dependencies();
  void read_configurations();
  void read_numbers();
  void read_retry();

  const json& from_;
  evaluation_plan out_;
  std::optional<fault> wrong_;
};

template <size_t N>
void reader::only(const json& in, const std::array<std::string_view, N>& known, const std::string& place,
                  const char* hint) {
  for (const auto& [key, value] : in.items())
    if (std::ranges::count(known, std::string_view(key)) == 0) {
      auto near = did_you_mean(key, known);
      refuse(place + key, "is no member of a plan here", near.empty() ? std::string(hint) : near);
    }
}

std::string reader::text(const json* value, const std::string& place, size_t longest) {
  if (value == nullptr)
    return {};
  if (!value->is_string() || value->get_ref<const std::string&>().size() > longest) {
    refuse(place, "must be a text of at most " + std::to_string(longest) + " bytes");
    return {};
  }
  return value->get<std::string>();
}

std::vector<std::string> reader::names(const json* value, const std::string& place, size_t most) {
  std::vector<std::string> out;
  if (value == nullptr)
    return out;
  if (!value->is_array() || value->size() > most) {
    refuse(place, "must be a list of at most " + std::to_string(most) + " names");
    return out;
  }
  std::set<std::string> seen;
  for (size_t i = 0; i < value->size(); ++i) {
    auto one = text(&(*value)[i], at(place, i), longest_name);
    if (failed())
      return out;
    if (one.empty())
      refuse(at(place, i), "must not be empty");
    if (!seen.insert(one).second)
      refuse(at(place, i), "'" + one + "' is named twice");
    out.push_back(std::move(one));
  }
  return out;
}

double reader::number(const json* value, const std::string& place, double lowest, double highest,
                      double usual) {
  if (value == nullptr)
    return usual;
  const double given = value->is_number() ? value->get<double>() : std::nan("");
  if (given >= lowest && given <= highest)
    return given;
  refuse(place, "must be a number from " + json(lowest).dump() + " to " + json(highest).dump());
  return usual;
}

int64_t reader::whole(const json* value, const std::string& place, int64_t lowest, int64_t highest,
                      int64_t usual) {
  if (value == nullptr)
    return usual;
  if (value->is_number_integer() && value->get<int64_t>() >= lowest && value->get<int64_t>() <= highest)
    return value->get<int64_t>();
  refuse(place, "must be a whole number from " + std::to_string(lowest) + " to " + std::to_string(highest));
  return usual;
}

std::string reader::settings(const json& value, const std::string& place) {
  if (auto bad = wrong_settings(value, place))
    refuse(std::move(*bad));
  auto out = text_of(value);
  if (out.size() > largest_settings)
    refuse(place, "is larger than 64 KiB");
  return out;
}

plan_model reader::read_model(const json& value, const std::string& place) {
  plan_model out;
  if (value.is_string()) {
    out.model = text(&value, place, longest_arguments);
    out.name = out.model;
  } else if (value.is_object()) {
    only(value, model_keys, place + ".");
    const auto* model = find(value, "model");
    if (model != nullptr && find(value, "model_id") != nullptr)
      refuse(place + ".model", "contradicts model_id", "give one of them");
    out.model = text(model != nullptr ? model : find(value, "model_id"), place + ".model", longest_arguments);
    out.model_args = text(find(value, "model_args"), place + ".model_args", longest_arguments);
    out.name = text(find(value, "name"), place + ".name", longest_name);
    if (out.name.empty())
      out.name = out.model;
  } else {
    refuse(place, "must be the name of a model, or {name, model, model_args}");
  }
  if (out.model.empty())
    refuse(place + ".model", "is missing: name a model", "GET /models lists the configured ones");
  return out;
}

void reader::read_models() {
  const auto* given = find(from_, "models");
  if (given == nullptr || !given->is_array() || given->empty() || given->size() > most_models)
    return refuse("models", "must be a list of 1 to " + std::to_string(most_models) + " models");
  std::set<std::string> seen;
  for (size_t i = 0; i < given->size() && !failed(); ++i) {
    auto one = read_model((*given)[i], at("models", i));
    if (!seen.insert(one.name).second)
      refuse(at("models", i) + ".name", "'" + one.name + "' is the name of another model too",
             "give each its own name");
    out_.models.push_back(std::move(one));
  }
}

void reader::read_groups() {
  const auto* given = find(from_, "task_groups");
  const auto* tasks = find(from_, "tasks");
  if (given != nullptr && tasks != nullptr)
    return refuse("tasks", "contradicts task_groups", "give one of them");
  if (tasks != nullptr) {
    out_.groups.push_back({"tasks", names(tasks, "tasks", most_tasks), {}, 0});
    if (out_.groups[0].tasks.empty())
      refuse("tasks", "must name at least one task", "GET /tasks lists them");
    return;
  }
  if (given == nullptr || !given->is_array() || given->empty() || given->size() > most_groups)
    return refuse("task_groups",
                  "must be a list of 1 to " + std::to_string(most_groups) + " groups: {name, tasks: [...]}");
  std::set<std::string> seen;
  std::set<std::string> all_tasks;
  for (size_t i = 0; i < given->size() && !failed(); ++i) {
    const auto place = at("task_groups", i);
    const auto& value = (*given)[i];
    if (!value.is_object())
      return refuse(place, "must be an object: {name, tasks: [...]}");
    only(value, group_keys, place + ".");
    plan_group one;
    one.name = text(find(value, "name"), place + ".name", longest_name);
    if (one.name.empty())
      refuse(place + ".name", "is missing");
    if (!seen.insert(one.name).second)
      refuse(place + ".name", "'" + one.name + "' is the name of another group too");
    one.tasks = names(find(value, "tasks"), place + ".tasks", most_tasks);
    if (one.tasks.empty())
      refuse(place + ".tasks", "must name at least one task", "GET /tasks lists them");
    all_tasks.insert(one.tasks.begin(), one.tasks.end());
    one.depends_on = names(find(value, "depends_on"), place + ".depends_on", most_groups);
    one.priority = static_cast<int32_t>(whole(find(value, "priority"), place + ".priority", -100, 100, 0));
    out_.groups.push_back(std::move(one));
  }
  if (all_tasks.size() > most_tasks)
    refuse("task_groups", "a plan has at most " + std::to_string(most_tasks) + " tasks");
  if (!failed())
    check_dependencies();
}

/// Every group that is depended on exists, and none waits for itself.
void reader::check_dependencies() {
  std::map<std::string, size_t> places;
  for (size_t i = 0; i < out_.groups.size(); ++i)
    places.emplace(out_.groups[i].name, i);
  for (size_t i = 0; i < out_.groups.size(); ++i)
    for (size_t j = 0; j < out_.groups[i].depends_on.size(); ++j)
      if (!places.contains(out_.groups[i].depends_on[j]))
        return refuse(at(at("task_groups", i) + ".depends_on", j),
                      "there is no group '" + out_.groups[i].depends_on[j] + "'");
  // Groups leave when all that they wait for have left; who stays waits in a circle, or for one.
  std::set<std::string> left;
  for (bool moved = true; moved;) {
    moved = false;
    for (const auto& group : out_.groups)
      if (!left.contains(group.name)
          && std::ranges::all_of(group.depends_on, [&](const auto& one) { return left.contains(one); }))
        moved = left.insert(group.name).second;
  }
  for (size_t i = 0; i < out_.groups.size(); ++i) {
    if (left.contains(out_.groups[i].name))
      continue;
    // Along the circle from here; a group that only waits for one ends in it as well.
    std::string path = out_.groups[i].name;
    std::set<std::string> passed{path};
    auto here = i;
    for (bool closed = false; !closed;) {
      const auto next = std::ranges::find_if(out_.groups[here].depends_on,
                                             [&](const auto& one) { return !left.contains(one); });
      path += " -> " + *next;
      closed = !passed.insert(*next).second;
      here = places.at(*next);
    }
    return refuse(at("task_groups", i) + ".depends_on", "the groups wait for each other: " + path);
  }
}

void reader::read_configurations() {
  if (const auto* common = find(from_, "configuration")) {
    if (!common->is_object())
      return refuse("configuration", "must be an object with the settings of all child runs");
    out_.settings = settings(*common, "configuration");
    if (find(*common, "output_base_path") != nullptr)
      out_.notes.emplace_back("configuration.output_base_path: `assay experiment run` writes its files "
                              "there; a server writes none");
  }
  const auto* given = find(from_, "configurations");
  if (given == nullptr) {
    out_.configurations.push_back({"default", "{}"});
    return;
  }
  if (!given->is_array() || given->empty() || given->size() > most_configurations)
    return refuse("configurations", "must be a list of 1 to " + std::to_string(most_configurations)
                                        + " configurations: {name, temperature, ...}");
  std::set<std::string> seen;
  std::map<std::string, std::string> same;
  for (size_t i = 0; i < given->size() && !failed(); ++i) {
    const auto place = at("configurations", i);
    auto value = (*given)[i];
    if (!value.is_object())
      return refuse(place, "must be an object: {name, temperature, ...}");
    plan_configuration one;
    one.name = text(find(value, "name"), place + ".name", longest_name);
    if (one.name.empty())
      refuse(place + ".name", "is missing");
    value.erase("name");
    one.settings = settings(value, place);
    if (!seen.insert(one.name).second)
      refuse(place + ".name", "'" + one.name + "' is the name of another configuration too");
    // The same thing under two names can only tie.
    if (const auto [other, is_new] = same.emplace(one.settings, one.name); !is_new)
      refuse(place, "differs in nothing from '" + other->second + "'");
    out_.configurations.push_back(std::move(one));
  }
}

void reader::read_retry() {
  const auto* given = find(from_, "retry");
  if (given == nullptr)
    return;
  if (!given->is_object())
    return refuse("retry", "must be an object: {attempts, delay}");
  only(*given, retry_keys, "retry.");
  out_.retry.attempts = static_cast<uint32_t>(whole(find(*given, "attempts"), "retry.attempts", 0, 20, 0));
  out_.retry.delay = seconds{whole(find(*given, "delay"), "retry.delay", 0, 86'400, 10)};
}

void reader::read_numbers() {
  out_.prompt_types = names(find(from_, "prompt_types"), "prompt_types", most_prompt_types);
  out_.repeats = static_cast<uint32_t>(whole(find(from_, "repeats"), "repeats", 1, 1'000, 1));
  const auto* workers = find(from_, "max_workers");
  const auto* parallel = find(from_, "max_parallel");
  out_.max_parallel = static_cast<uint32_t>(
      whole(parallel != nullptr ? parallel : workers,
            parallel != nullptr || workers == nullptr ? "max_parallel" : "max_workers", 1, 1'000, 4));
  out_.priority = static_cast<int32_t>(whole(find(from_, "priority"), "priority", -100, 100, 0));
  out_.weight = static_cast<uint32_t>(whole(find(from_, "weight"), "weight", 1, 1'000, 1));
  if (const auto* cost = find(from_, "max_cost"))
    out_.max_cost = from_dollars(number(cost, "max_cost", 1e-9, 1e9, 1));
  if (const auto* time = find(from_, "timeout"))
    out_.timeout = seconds{static_cast<int64_t>(std::ceil(number(time, "timeout", 1, longest_seconds, 1)))};
  if (out_.repeats < 2)
    return;
  const auto cached = [](const std::string& settings) {
    const auto value = json::parse(settings, nullptr, false);
    const auto found = value.find("use_cache");
    return found != value.end() && !found->is_null() && *found != false && *found != "false" && *found != "";
  };
  bool any = cached(out_.settings);
  for (const auto& one : out_.configurations)
    any = any || cached(one.settings);
  if (any)
    refuse("repeats", "use_cache would give every repeat the answers of the first one",
           "leave one of them out");
}

result<evaluation_plan> reader::read(std::string_view name) {
  if (!from_.is_object())
    return wrong("", "a plan is an object");
  only(from_, plan_keys, "", "settings of all child runs belong into configuration");
  const auto* written = find(from_, "experiment_name");
  out_.name = text(written != nullptr ? written : find(from_, "name"), "experiment_name", longest_name);
  if (out_.name.empty())
    out_.name = name;
  if (out_.name.empty())
    refuse("experiment_name", "is missing");
  out_.description = text(find(from_, "description"), "description", longest_description);
  using part = void (reader::*)();
  for (const part next : {&reader::read_models, &reader::read_groups, &reader::read_configurations,
                          &reader::read_numbers, &reader::read_retry}) {
    if (failed())
      break;
    (this->*next)();
  }
  if (wrong_)
    return std::move(*wrong_);
  return std::move(out_);
}

} // namespace

result<evaluation_plan> plan_from_json(const json& from, std::string_view name) {
  if (from.is_object()) {
    const auto inner = from.find("evaluation_plan");
    if (inner != from.end() && inner->is_object()) {
      if (from.size() > 1)
        return wrong("evaluation_plan", "stands alone: the other members belong into it");
      return reader{*inner}.read(name);
    }
  }
  return reader{from}.read(name);
}

json to_json(const evaluation_plan& plan) {
  json models = json::array();
  for (const auto& one : plan.models) {
    json model{{"name", one.name}, {"model", one.model}};
    if (!one.model_args.empty())
      model["model_args"] = one.model_args;
    models.push_back(std::move(model));
  }
  json groups = json::array();
  for (const auto& one : plan.groups)
    groups.push_back({{"name", one.name},
                      {"tasks", one.tasks},
                      {"depends_on", one.depends_on},
                      {"priority", one.priority}});
  json configurations = json::array();
  for (const auto& one : plan.configurations) {
    auto configuration = json::parse(one.settings);
    configuration["name"] = one.name;
    configurations.push_back(std::move(configuration));
  }
  json out{{"experiment_name", plan.name},
           {"description", plan.description},
           {"models", std::move(models)},
           {"task_groups", std::move(groups)},
           {"configurations", std::move(configurations)},
           {"configuration", json::parse(plan.settings)},
           {"prompt_types", plan.prompt_types},
           {"repeats", plan.repeats},
           {"max_parallel", plan.max_parallel},
           {"priority", plan.priority},
           {"weight", plan.weight},
           {"retry", {{"attempts", plan.retry.attempts}, {"delay", plan.retry.delay.count()}}}};
  if (plan.max_cost)
    out["max_cost"] = to_dollars(*plan.max_cost);
  if (plan.timeout)
    out["timeout"] = plan.timeout->count();
  return out;
}

} // namespace assay::experiments
