#include "config/task_places.hpp"

#include "config/checks.hpp"
#include "config/paths.hpp"

#include <nlohmann/json.hpp>

namespace assay::config {

namespace {

using nlohmann::json;

bool is_file_or_list(const json& value) {
  if (value.is_string())
    return !value.get_ref<const std::string&>().empty();
  if (!value.is_array() || value.empty())
    return false;
  for (const auto& one : value)
    if (!one.is_string() || one.get_ref<const std::string&>().empty())
      return false;
  return true;
}

void make_absolute(json& value, const load_request& request) {
  if (value.is_string()) {
    value = absolute_path(value.get<std::string>(), request.working_dir, request.home_dir);
    return;
  }
  for (auto& one : value)
    make_absolute(one, request);
}

std::string place_of(const node& tree) {
  const auto* found = at_path(tree, "tasks.datasets");
  return (found == nullptr ? std::string{} : to_string(found->at) + " ") + "tasks.datasets";
}

} // namespace

result<void> take_task_places(const document& written, const node& tree, const load_request& request,
                              settings& out) {
  out.tasks.roots = written.tasks.roots;
  for (auto& root : out.tasks.roots)
    root = absolute_path(root, request.working_dir, request.home_dir);
  if (written.tasks.datasets.text.empty())
    return {};
  auto datasets = json::parse(written.tasks.datasets.text);
  for (auto& [name, files] : datasets.items()) {
    bool good = is_file_or_list(files) || (files.is_object() && !files.empty());
    if (files.is_object())
      for (const auto& [_, of_split] : files.items())
        good = good && is_file_or_list(of_split);
    if (!good)
      return fault{errc::invalid_argument,
                   "expected a file, a list of files, or these by split, for `" + name + "`",
                   place_of(tree) + "." + name, "for example " + name + ": {test: rows.jsonl}"};
    make_absolute(files, request);
  }
  out.tasks.datasets_json = datasets.dump(-1, ' ', false, json::error_handler_t::replace);
  return {};
}

namespace {

void collect(const json& value, std::vector<std::string>& out) {
  if (value.is_string())
    out.push_back(value.get<std::string>());
  else if (value.is_structured())
    for (const auto& one : value)
      collect(one, out);
}

} // namespace

std::vector<std::string> dataset_files(const settings& from) {
  std::vector<std::string> out;
  collect(json::parse(from.tasks.datasets_json, nullptr, false), out);
  return out;
}

} // namespace assay::config
