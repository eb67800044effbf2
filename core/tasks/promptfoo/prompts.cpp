#include "core/tasks/promptfoo/prompts.hpp"

#include "core/tasks/dataset.hpp"
#include "core/tasks/promptfoo/test_file.hpp"
#include "core/values/ids.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <set>
#include <system_error>
#include <utility>

namespace assay::tasks::promptfoo {
namespace {

namespace fs = std::filesystem;

constexpr std::streamsize file_limit = std::streamsize{16} << 20U;
constexpr std::string_view file_prefix = "file://";

bool ends_with_one_of(std::string_view text, std::initializer_list<std::string_view> endings) {
  return std::any_of(endings.begin(), endings.end(),
                     [&](std::string_view end) { return text.ends_with(end); });
}

bool is_program(std::string_view name) {
  return ends_with_one_of(name.substr(0, name.rfind(':')), {".py", ".js"})
         || ends_with_one_of(name, {".py", ".js", ".ts", ".mjs", ".cjs", ".rb", ".sh"});
}

bool is_file(std::string_view text) {
  return text.starts_with(file_prefix)
         || (text.size() < 512 && text.find_first_of("\n{") == std::string_view::npos
             && ends_with_one_of(text, {".txt", ".md", ".json", ".yaml", ".yml", ".jsonl", ".csv", ".j2"}));
}

/// A table's row as a test: columns that begin with two underscores say what is expected.
ordered test_of_row(const ordered& row) {
  ordered vars = ordered::object();
  ordered list = ordered::array();
  ordered out = ordered::object();
  std::string metric;
  for (const auto& [name, value] : row.items()) {
    const auto text = value.is_string() ? value.get<std::string>() : value.dump();
    if (!name.starts_with("__")) {
      vars[name] = value;
    } else if (name.starts_with("__expected")) {
      if (!text.empty())
        list.push_back(assertion_of(text));
    } else if (name == "__prefix" || name == "__suffix") {
      out["options"][name.substr(2)] = text;
    } else if (name == "__threshold") {
      out["threshold"] = ordered::parse(text, nullptr, false);
    } else if (name == "__description") {
      out["description"] = text;
    } else if (name == "__metric") {
      metric = text;
    } else if (!name.starts_with("__metadata")) {
      out[name] = value; // Reported as a key that there is not.
    }
  }
  if (!metric.empty())
    for (auto& one : list)
      one["metric"] = metric;
  if (out.contains("threshold") && !out["threshold"].is_number())
    out.erase("threshold");
  out["vars"] = std::move(vars);
  out["assert"] = std::move(list);
  return out;
}

std::vector<std::pair<std::string, std::string>> messages_of(const ordered& list) {
  std::vector<std::pair<std::string, std::string>> out;
  if (!list.is_array())
    return out;
  for (const auto& one : list) {
    if (!one.is_object() || !one.contains("role") || !one["role"].is_string() || !one.contains("content")
        || !one["content"].is_string())
      return {};
    out.emplace_back(one["role"].get<std::string>(), one["content"].get<std::string>());
  }
  return out;
}

prompt prompt_of(std::string text) {
  prompt out;
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin != std::string::npos && text[begin] == '[')
    out.messages = messages_of(ordered::parse(text, nullptr, false));
  out.text = std::move(text);
  return out;
}

std::string as_name(std::string label) {
  for (char& c : label)
    if (!is_caller_id(std::string(1, c)))
      c = '_';
  return is_caller_id(label) ? label : std::string{};
}

/// A text file may hold several prompts, with lines of three dashes between them.
std::vector<std::string> parts_of(const std::string& text) {
  std::vector<std::string> out(1);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    auto line = text.substr(begin, end - begin);
    if (line.ends_with('\r'))
      line.pop_back();
    if (line == "---")
      out.emplace_back();
    else
      out.back().append(text, begin, end - begin).append(end < text.size() ? "\n" : "");
    begin = end + 1;
  }
  std::erase_if(out, [](const auto& part) { return part.find_first_not_of(" \t\r\n") == std::string::npos; });
  for (auto& part : out)
    part.erase(part.find_last_not_of(" \t\r\n") + 1);
  return out;
}

class prompt_list {
public:
  prompt_list(int line, named_files& files) : line_(line), files_(files) {}

  void add(const ordered& from, const std::string& path) {
    if (from.is_string())
      return add_text(from.get<std::string>(), {}, path);
    if (!from.is_object())
      return files_.complain(line_, path, "expected a prompt: a text, or file:// and a path");
    const auto label = from.value("label", ordered());
    for (const char* key : {"raw", "id"})
      if (const auto at = from.find(key); at != from.end() && at->is_string())
        return add_text(at->get<std::string>(), label.is_string() ? label.get<std::string>() : std::string{},
                        path);
    files_.complain(line_, path, "the prompt has neither raw nor id",
                    "for example {label: short, raw: \"{{q}}\"}");
  }

  std::vector<prompt> take() { return std::move(out_); }

private:
  void add_text(const std::string& text, const std::string& label, const std::string& path) {
    if (!is_file(text)) {
      if (is_program(text))
        return files_.complain(line_, path, "prompts that programs make are not supported: " + text,
                               "write the prompt as a text", errc::unsupported);
      return put(prompt_of(text), label);
    }
    if (is_program(text))
      return files_.complain(line_, path, "prompts that programs make are not supported: " + text,
                             "write the prompt as a text", errc::unsupported);
    if (ends_with_one_of(text, {".json", ".yaml", ".yml"})) {
      prompt one;
      one.messages = messages_of(files_.value(text, path, line_));
      if (one.messages.empty())
        return files_.complain(line_, path,
                               "the file holds no list of messages with role and content: " + text);
      return put(std::move(one), label);
    }
    for (auto& part : parts_of(files_.text(text, path, line_)))
      put(prompt_of(std::move(part)), label);
  }

  void put(prompt one, const std::string& label) {
    one.name = as_name(label);
    if (one.name.empty())
      one.name = "prompt_" + std::to_string(out_.size() + 1);
    for (int more = 2; !names_.insert(one.name).second; ++more)
      one.name = as_name(label).empty() ? "prompt_" + std::to_string(out_.size() + static_cast<size_t>(more))
                                        : as_name(label) + "_" + std::to_string(more);
    out_.push_back(std::move(one));
  }

  int line_;
  named_files& files_;
  std::vector<prompt> out_;
  std::set<std::string> names_;
};

} // namespace

void named_files::complain(int line, const std::string& path, std::string message, std::string hint,
                           errc code) {
  auto where = file_.string();
  if (line >= 0)
    where.append(":").append(std::to_string(line + 1));
  faults_->push_back({code, std::move(message), where + ": " + path, std::move(hint)});
}

std::optional<fs::path> named_files::find(const std::string& name, const std::string& path, int line) {
  std::string_view text = name;
  if (text.starts_with(file_prefix))
    text.remove_prefix(file_prefix.size());
  if (text.find("://") != std::string_view::npos || text.find('*') != std::string_view::npos) {
    complain(line, path, "addresses and patterns of file names are not understood: " + name, "list the files",
             errc::unsupported);
    return std::nullopt;
  }
  const auto found = (file_.parent_path() / fs::path(text)).lexically_normal();
  if (!lies_in(found, root_) && !lies_in_any(found, places_.roots)) {
    complain(line, path, "the file lies outside of the folder of tasks: " + name,
             "keep it below " + root_.string() + ", or name its folder in tasks.roots of the configuration",
             errc::forbidden);
    return std::nullopt;
  }
  std::error_code unknown;
  if (!fs::is_regular_file(found, unknown)) {
    complain(line, path, "the file " + found.string() + " does not exist",
             "the path is relative to the file that names it", errc::not_found);
    return std::nullopt;
  }
  return found;
}

std::string named_files::text(const std::string& name, const std::string& path, int line) {
  if (is_program(name)) {
    complain(line, path, "values that programs make are not supported: " + name, "write the value itself",
             errc::unsupported);
    return {};
  }
  const auto found = find(name, path, line);
  if (!found)
    return {};
  std::error_code unknown;
  const auto size = fs::file_size(*found, unknown);
  if (unknown || size > static_cast<uintmax_t>(file_limit)) {
    complain(line, path, "the file cannot be read, or has over 16 MiB: " + found->string(), {},
             errc::too_large);
    return {};
  }
  std::ifstream in(*found, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

ordered named_files::value(const std::string& name, const std::string& path, int line) {
  const size_t before = faults_->size();
  auto content = text(name, path, line);
  if (faults_->size() > before)
    return nullptr;
  if (!ends_with_one_of(name, {".json", ".yaml", ".yml"}))
    return content;
  // JSON is YAML, and its reader names the line.
  try {
    if (auto out = name.ends_with(".json") ? std::optional(ordered::parse(content, nullptr, false))
                                           : to_json(YAML::Load(content));
        out && !out->is_discarded())
      return *std::move(out);
    complain(line, path, "no valid JSON: " + name, {}, errc::malformed_input);
  } catch (const YAML::Exception& error) {
    complain(line, path,
             "not valid YAML: " + error.msg + ", line " + std::to_string(error.mark.line + 1) + " of " + name,
             {}, errc::malformed_input);
  }
  return nullptr;
}

std::vector<ordered> named_files::tests(const std::string& name, const std::string& path, int line) {
  std::vector<ordered> out;
  if (ends_with_one_of(name, {".yaml", ".yml", ".json"})) {
    const auto list = value(name, path, line);
    if (list.is_array())
      out.assign(list.begin(), list.end());
    else if (list.is_object())
      out.push_back(list);
    return out;
  }
  const size_t before = faults_->size();
  const auto found = is_program(name) ? std::nullopt : find(name, path, line);
  if (!found) {
    if (faults_->size() == before)
      complain(line, path, "tests that programs make are not supported: " + name, "write them as CSV or YAML",
               errc::unsupported);
    return out;
  }
  auto reader = dataset_reader::open(found->string());
  if (!reader) {
    faults_->push_back(reader.error());
    return out;
  }
  const bool is_table = !name.ends_with(".jsonl") && !name.ends_with(".ndjson");
  while (out.size() <= most_rows) {
    auto row = (*reader)->next();
    if (!row) {
      faults_->push_back(row.error());
      break;
    }
    if (!*row)
      break;
    std::string text;
    (*row)->fields.append_to(text);
    auto one = ordered::parse(text, nullptr, false);
    out.push_back(is_table ? test_of_row(one) : std::move(one));
  }
  return out;
}

std::vector<prompt> read_prompts(const ordered& list, int line, named_files& files) {
  prompt_list out(line, files);
  if (list.is_string())
    out.add(list, "prompts");
  else if (list.is_array())
    for (size_t i = 0; i < list.size(); ++i)
      out.add(list[i], "prompts[" + std::to_string(i) + "]");
  auto read = out.take();
  if (read.empty())
    files.complain(line, "prompts", "there is no prompt", "for example: prompts: [\"Translate: {{text}}\"]");
  return read;
}

std::optional<fault> render_messages(const prompt& from, const ordered& variables, const std::string& prefix,
                                     const std::string& suffix, ordered& out) {
  std::vector<std::pair<std::string, std::string>> all = from.messages;
  if (all.empty())
    all.emplace_back("user", from.text);
  // What stands around a prompt stands around the question.
  all.back().second = prefix + all.back().second + suffix;
  out = ordered::array();
  for (const auto& [role, content] : all) {
    const auto compiled = variable_text::compile(content);
    if (!compiled)
      return compiled.error();
    auto text = compiled->render(variables);
    if (!text)
      return text.error();
    ordered message = ordered::object();
    message["role"] = role;
    message["content"] = std::move(*text);
    out.push_back(std::move(message));
  }
  return std::nullopt;
}

} // namespace assay::tasks::promptfoo
