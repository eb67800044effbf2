#include "core/reports/test_database.hpp"

#include "core/values/task.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <set>

namespace assay::reports {

namespace {

using nlohmann::json;

/// What the file calls the three difficulties.
std::string file_difficulty(const std::string& word) {
  return word == "beginner" ? "easy" : word == "intermediate" ? "medium" : word == "advanced" ? "hard" : word;
}

std::string own_difficulty(const std::string& word) {
  auto known = canonical_difficulty(word);
  return known.empty() ? word : known;
}

/// No tool of a task fails by itself here; the file has a level for how often they work.
constexpr const char* tools_always_work = "1.0";

const std::string& column_of(const test_kind& kind, std::string_view column) {
  if (column == "model")
    return kind.model;
  if (column == "provider")
    return kind.provider;
  if (column == "task")
    return kind.task;
  if (column == "task_type")
    return kind.task_type;
  if (column == "prompt_type")
    return kind.prompt_type;
  return kind.difficulty;
}

bool is_among(const std::vector<std::string>& wanted, const std::string& value) {
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), value) != wanted.end();
}

bool fits(const test_query& query, const test_kind& kind) {
  const auto is_difficulty = [&](const std::string& word) {
    return own_difficulty(word) == own_difficulty(kind.difficulty);
  };
  return is_among(query.models, kind.model) && is_among(query.providers, kind.provider)
         && is_among(query.tasks, kind.task) && is_among(query.task_types, kind.task_type)
         && is_among(query.prompt_types, kind.prompt_type)
         && (query.difficulties.empty()
             || std::any_of(query.difficulties.begin(), query.difficulties.end(), is_difficulty));
}

bool fits(const test_query& query, const counted_source& source) {
  return query.owner.value.empty() || source.owner == query.owner;
}

json share(uint64_t part, uint64_t whole) {
  return whole == 0 ? json(nullptr) : json(static_cast<double>(part) / static_cast<double>(whole));
}

/// A node of the file's tree: its own counts, and the nodes below by their names.
struct tree_node {
  test_counts counts;
  std::map<std::string, tree_node> below;
};

constexpr const char* tree_levels[] = {"by_prompt_type", "by_tool_success_rate", "by_difficulty",
                                       "by_task_type"};

json tree_json(const tree_node& node, size_t level) {
  auto out = level == 0 ? json::object() : figures(node.counts);
  if (level == std::size(tree_levels))
    return out;
  auto& below = out[tree_levels[level]] = json::object();
  for (const auto& [name, one] : node.below)
    below[name] = tree_json(one, level + 1);
  return out;
}

// -- reading ------------------------------------------------------------------------------------------------

fault wrong_file(const std::string& where, std::string what) {
  return {errc::malformed_input, std::move(what), where, "is this a master_database.json of version 3?"};
}

uint64_t count_in(const json& from, const char* name) {
  const auto found = from.find(name);
  return found != from.end() && found->is_number_unsigned() ? found->get<uint64_t>() : 0;
}

double number_in(const json& from, const char* name) {
  const auto found = from.find(name);
  return found != from.end() && found->is_number() ? found->get<double>() : 0;
}

/// The counts of a leaf. Files of other programs call full successes `successful`, or count them in success
/// together with the partial ones.
result<test_counts> leaf_counts(const json& leaf, const std::string& where) {
  test_counts out;
  out.total = count_in(leaf, "total");
  out.partial =
      leaf.contains("partial_success") ? count_in(leaf, "partial_success") : count_in(leaf, "partial");
  const auto success = leaf.contains("success") ? count_in(leaf, "success") : count_in(leaf, "successful");
  out.full = leaf.contains("full_success") ? count_in(leaf, "full_success")
             : leaf.contains("success")    ? success - std::min(success, out.partial)
                                           : success;
  if (out.full > out.total || out.partial > out.total - out.full)
    return wrong_file(where, "more tests have succeeded than there were");
  out.errors = std::min(count_in(leaf, "unanswered"), out.failures());
  out.timeouts = std::min(count_in(leaf, "timeout_errors"), out.failures());
  out.scored = leaf.contains("scored") ? std::min(count_in(leaf, "scored"), out.total) : 0;
  out.score_sum = number_in(leaf, "mean_score") * static_cast<double>(out.scored);
  out.time = milliseconds{
      static_cast<int64_t>(number_in(leaf, "avg_execution_time") * 1000 * static_cast<double>(out.total))};
  out.prompt_tokens = count_in(leaf, "prompt_tokens");
  out.completion_tokens = count_in(leaf, "completion_tokens");
  if (leaf.contains("cost") && leaf["cost"].is_number())
    out.cost = from_dollars(leaf["cost"].get<double>());
  return out;
}

/// Walks the levels down from @p node. @param names Of the nodes above.
result<void> read_level(const json& node, size_t level, std::vector<std::string>& names, std::string where,
                        counted_source& out) {
  if (!node.is_object())
    return wrong_file(where, "is no object");
  if (level == std::size(tree_levels)) {
    const auto counts = leaf_counts(node, where);
    if (!counts)
      return counts.error();
    if (counts->total > 0)
      out.tests.push_back({{names[0], "", "", names[4], names[1], own_difficulty(names[3])}, *counts});
    return {};
  }
  const auto below = node.find(tree_levels[level]);
  if (below == node.end())
    return {};
  if (!below->is_object())
    return wrong_file(where + "." + tree_levels[level], "is no object");
  for (const auto& [name, one] : below->items()) {
    names.push_back(name);
    if (auto read = read_level(one, level + 1, names, where + "." + tree_levels[level] + "." + name, out);
        !read)
      return read;
    names.pop_back();
  }
  return {};
}

} // namespace

const std::vector<std::string>& test_columns() {
  static const std::vector<std::string> columns{"model",     "provider",    "task",
                                                "task_type", "prompt_type", "difficulty"};
  return columns;
}

result<void> check_query(const test_query& query) {
  std::set<std::string> seen;
  for (const auto& column : query.by) {
    if (std::find(test_columns().begin(), test_columns().end(), column) == test_columns().end())
      return fault{errc::invalid_argument, "tests cannot be grouped by '" + column + "'", "by",
                   "model, provider, task, task_type, prompt_type or difficulty"};
    if (!seen.insert(column).second)
      return fault{errc::invalid_argument, "'" + column + "' is named twice", "by", {}};
  }
  return {};
}

json figures(const test_counts& counts) {
  const auto success = counts.full + counts.partial;
  const auto mean = [&](double sum, uint64_t of) {
    return of == 0 ? json(nullptr) : json(sum / static_cast<double>(of));
  };
  // A partial success counts half.
  const auto weighted = static_cast<double>(counts.full) + 0.5 * static_cast<double>(counts.partial);
  return {{"total", counts.total},
          {"success", success},
          {"full_success", counts.full},
          {"partial_success", counts.partial},
          {"failure", counts.failures()},
          {"success_rate", share(success, counts.total)},
          {"full_success_rate", share(counts.full, counts.total)},
          {"partial_success_rate", share(counts.partial, counts.total)},
          {"failure_rate", share(counts.failures(), counts.total)},
          {"weighted_success_score", mean(weighted, counts.total)},
          {"total_errors", counts.failures()},
          {"timeout_errors", counts.timeouts},
          {"other_errors", counts.failures() - std::min(counts.failures(), counts.timeouts)},
          {"unanswered", counts.errors},
          {"scored", counts.scored},
          {"mean_score", mean(counts.score_sum, counts.scored)},
          {"avg_execution_time", mean(static_cast<double>(counts.time.count()) / 1000.0, counts.total)},
          {"prompt_tokens", counts.prompt_tokens},
          {"completion_tokens", counts.completion_tokens},
          {"cost", counts.cost ? json(to_dollars(*counts.cost)) : json(nullptr)}};
}

void test_database::add(counted_source source) {
  const auto same = std::find_if(sources_.begin(), sources_.end(), [&](const counted_source& one) {
    return one.name == source.name && one.imported == source.imported;
  });
  if (same == sources_.end())
    sources_.push_back(std::move(source));
  else
    *same = std::move(source);
}

json test_database::rows(const test_query& query) const {
  std::map<std::vector<std::string>, test_counts> groups;
  if (query.by.empty())
    groups[{}];
  for (const auto& source : sources_) {
    if (!fits(query, source))
      continue;
    for (const auto& one : source.tests) {
      if (!fits(query, one.kind))
        continue;
      std::vector<std::string> key;
      for (const auto& column : query.by)
        key.push_back(column_of(one.kind, column));
      groups[key] += one.counts;
    }
  }
  auto out = json::array();
  for (const auto& [key, counts] : groups) {
    auto row = figures(counts);
    for (size_t i = 0; i < key.size(); ++i)
      row[query.by[i]] = key[i];
    out.push_back(std::move(row));
  }
  return out;
}

json test_database::statistics(const test_query& query) const {
  auto asked = query;
  asked.by.clear();
  auto total = rows(asked).front();
  std::set<std::string> models;
  std::optional<wall_time> last;
  uint64_t runs = 0;
  uint64_t imports = 0;
  for (const auto& source : sources_) {
    bool counts = false;
    if (fits(query, source))
      for (const auto& one : source.tests)
        if (fits(query, one.kind)) {
          counts = true;
          models.insert(one.kind.model);
        }
    if (!counts)
      continue;
    (source.imported ? imports : runs) += 1;
    last = std::max(last.value_or(source.finished_at), source.finished_at);
  }
  json summary{{"total_tests", total["total"]},
               {"total_success", total["full_success"]},
               {"total_partial", total["partial_success"]},
               {"total_failure", total["failure"]},
               {"success_rate", total["success_rate"]},
               {"mean_score", total["mean_score"]},
               {"total_cost", total["cost"]},
               {"models_tested", models},
               {"runs", runs},
               {"imports", imports},
               {"last_test_time", last ? json(to_rfc3339(*last)) : json(nullptr)}};
  json out{{"summary", std::move(summary)}, {"overall_stats", std::move(total)}};
  for (const char* column : {"model", "task_type", "task", "prompt_type", "difficulty"}) {
    asked.by = {column};
    auto& by = out[std::string("by_") + column] = json::object();
    for (auto& row : rows(asked)) {
      const auto name = row[column].get<std::string>();
      row.erase(column);
      // Imports do not say which task it was.
      if (!name.empty())
        by[name] = std::move(row);
    }
  }
  return out;
}

json test_database::master_database(wall_time now, const test_query& query) const {
  std::map<std::string, tree_node> models;
  std::map<std::string, wall_time> last;
  json groups = json::object();
  std::optional<wall_time> first;
  for (const auto& source : sources_) {
    if (!fits(query, source))
      continue;
    uint64_t tests = 0;
    std::string of_model;
    for (const auto& one : source.tests) {
      if (!fits(query, one.kind))
        continue;
      auto* node = &models[one.kind.model];
      node->counts += one.counts;
      for (const auto& name : {one.kind.prompt_type, std::string(tools_always_work),
                               file_difficulty(one.kind.difficulty), one.kind.task_type}) {
        node = &node->below[name];
        node->counts += one.counts;
      }
      auto& seen = last.try_emplace(one.kind.model, source.finished_at).first->second;
      seen = std::max(seen, source.finished_at);
      tests += one.counts.total;
      of_model = one.kind.model;
    }
    if (tests == 0)
      continue;
    first = std::min(first.value_or(source.finished_at), source.finished_at);
    groups[source.name] = {{"imported", source.imported},
                           {"model", of_model},
                           {"total_tests", tests},
                           {"finished_at", to_rfc3339(source.finished_at)},
                           {"runs", source.imported ? json(source.runs) : json::array({source.name})}};
  }
  json shown = json::object();
  for (const auto& [name, node] : models) {
    auto one = tree_json(node, 0);
    one["model_name"] = name;
    one["total_tests"] = node.counts.total;
    one["last_test_time"] = to_rfc3339(last[name]);
    one["overall_stats"] = figures(node.counts);
    one["experiment_metrics"] = json::object();
    shown[name] = std::move(one);
  }
  return {{"version", "3.0"},
          {"created_at", to_rfc3339(first.value_or(now))},
          {"last_updated", to_rfc3339(now)},
          {"models", std::move(shown)},
          {"test_groups", std::move(groups)},
          {"summary", statistics(query)["summary"]}};
}

result<counted_source> read_master_database(std::string_view text, std::string name) {
  const auto in = json::parse(text, nullptr, false);
  if (!in.is_object())
    return wrong_file({}, "is no JSON object");
  const auto models = in.find("models");
  if (models == in.end() || !models->is_object())
    return wrong_file("models", "is missing, or no object");
  counted_source out;
  out.name = std::move(name);
  out.imported = true;
  for (const auto& [model, node] : models->items()) {
    std::vector<std::string> names{model};
    if (auto read = read_level(node, 0, names, "models." + model, out); !read)
      return read.error();
  }
  if (out.tests.empty())
    return wrong_file("models", "no model has tests by prompt type, difficulty and task type");
  if (const auto groups = in.find("test_groups"); groups != in.end() && groups->is_object())
    for (const auto& [group, one] : groups->items())
      if (one.is_object() && one.contains("runs") && one["runs"].is_array())
        for (const auto& run : one["runs"])
          if (run.is_string())
            out.runs.push_back(run.get<std::string>());
  const auto updated = in.find("last_updated");
  if (updated != in.end() && updated->is_string())
    out.finished_at = from_rfc3339(updated->get<std::string>()).value_or(wall_time{});
  return out;
}

} // namespace assay::reports
