#include "core/scoring/assertions.hpp"
#include "core/tasks/dataset.hpp"
#include "core/tasks/name_hint.hpp"
#include "core/tasks/promptfoo/prompts.hpp"
#include "core/tasks/promptfoo/test_file.hpp"
#include "core/tasks/promptfoo/values.hpp"
#include "core/values/ids.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace assay::tasks::promptfoo {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t most_repeats = 1'000;

const std::vector<std::string> top_keys{"description",
                                        "tags",
                                        "prompts",
                                        "providers",
                                        "targets",
                                        "tests",
                                        "defaultTest",
                                        "env",
                                        "metadata",
                                        "outputPath",
                                        "evaluateOptions",
                                        "commandLineOptions",
                                        "sharing",
                                        "writeLatestResults",
                                        "assertionTemplates",
                                        "derivedMetrics",
                                        "$schema"};
const std::vector<std::string> test_keys{"description", "vars", "assert", "threshold", "metadata", "options"};

/// What a test says, with defaultTest under it.
struct test {
  std::string place; ///< `tests[3]`.
  int line = -1;
  ordered vars = ordered::object();
  ordered own = ordered::array(); ///< Assertions.
  ordered options = ordered::object();
  std::optional<double> threshold;
  std::string description;
};

class reader {
public:
  reader(const fs::path& file, const fs::path& root, const data_places& places)
      : files_(file, root, places, out_.faults) {}

  loaded_test_file read(const std::string& yaml) {
    YAML::Node node;
    try {
      node = YAML::Load(yaml);
    } catch (const YAML::Exception& error) {
      out_.faults.push_back({errc::malformed_input, "not valid YAML: " + error.msg,
                             files_.file().string() + ":" + std::to_string(error.mark.line + 1),
                             "check indentation, colons and quotes on this line"});
      return std::move(out_);
    }
    auto whole = to_json(node);
    if (!whole || !whole->is_object()) {
      complain(-1, "", "expected a mapping of at most 500,000 values");
      return std::move(out_);
    }
    top_ = std::move(*whole);
    root_node_ = node;
    take_top();
    return std::move(out_);
  }

private:
  void complain(int line, const std::string& path, std::string message, std::string hint = {},
                errc code = errc::invalid_argument) {
    std::string where = files_.file().string();
    if (line >= 0)
      where.append(":").append(std::to_string(line + 1));
    if (!path.empty())
      where.append(": ").append(path);
    out_.faults.push_back({code, std::move(message), std::move(where), std::move(hint)});
  }

  int line_of(const std::string& key) const {
    const YAML::Node found = root_node_[key];
    return found.IsDefined() ? found.Mark().line : -1;
  }

  /// Reports keys that nobody knows. @returns whether there were none.
  void check_keys(const ordered& of, const std::vector<std::string>& known, const std::string& path,
                  int line) {
    static const std::set<std::string, std::less<>> not_here{
        "scenarios",     "extensions",       "nunjucksFilters",
        "provider",      "providers",        "assertScoringFunction",
        "transform",     "postprocess",      "transformVars",
        "storeOutputAs", "contextTransform", "redteam"};
    for (const auto& [key, _] : of.items()) {
      if (std::find(known.begin(), known.end(), key) != known.end())
        continue;
      const bool elsewhere = not_here.contains(key);
      complain(line, path.empty() ? key : path + "." + key,
               elsewhere ? "`" + key + "` is not supported here" : "there is no such key",
               elsewhere ? "take it out, or write the test as a task" : name_hint(key, known),
               elsewhere ? errc::unsupported : errc::invalid_argument);
    }
  }

  void take_top() {
    for (const auto& [key, _] : top_.items())
      if (std::find(top_keys.begin(), top_keys.end(), key) == top_keys.end())
        check_keys(ordered::object({{key, nullptr}}), top_keys, "", line_of(key));
    name_it();
    if (const auto at = top_.find("description"); at != top_.end() && at->is_string())
      out_.file.description = at->get<std::string>();
    take_repeat();
    take_providers();
    prompts_ = read_prompts(top_.value("prompts", ordered()), line_of("prompts"), files_);
    for (const auto& prompt : prompts_)
      out_.file.prompts.push_back(prompt.name);
    take_default();
    take_tests();
    for (const char* key : {"env", "outputPath", "commandLineOptions", "derivedMetrics"})
      if (top_.contains(key))
        out_.file.notes.push_back(std::string("`") + key + "` means nothing here");
  }

  void name_it() {
    const auto stem = files_.file().stem().string();
    auto name =
        stem == "promptfooconfig" ? fs::absolute(files_.file()).parent_path().filename().string() : stem;
    for (char& c : name)
      if (!is_caller_id(std::string(1, c)))
        c = '_';
    out_.file.id = is_caller_id(name) ? name : "promptfoo";
  }

  void take_repeat() {
    const auto options = top_.find("evaluateOptions");
    if (options == top_.end() || !options->is_object())
      return;
    for (const auto& [key, value] : options->items()) {
      if (key != "repeat") {
        out_.file.notes.push_back("`evaluateOptions." + key + "` means nothing here");
        continue;
      }
      if (!value.is_number_unsigned() || value.get<uint64_t>() < 1 || value.get<uint64_t>() > most_repeats)
        complain(line_of("evaluateOptions"), "evaluateOptions.repeat", "expected a number from 1 to 1000");
      else
        out_.file.repeat = static_cast<uint16_t>(value.get<uint64_t>());
    }
  }

  void take_providers() {
    const char* key = top_.contains("providers") ? "providers" : "targets";
    const auto list = top_.value(key, ordered());
    if (list.is_string())
      return add_provider(list, key);
    for (size_t i = 0; i < list.size(); ++i)
      add_provider(list.is_array() ? list[i] : ordered(), std::string(key) + "[" + std::to_string(i) + "]");
  }

  void add_provider(const ordered& from, const std::string& path) {
    provider one{{}, "{}"};
    ordered config;
    if (from.is_string()) {
      one.id = from.get<std::string>();
    } else if (from.is_object() && from.contains("id") && from["id"].is_string()) {
      one.id = from["id"].get<std::string>();
      config = from.value("config", ordered());
    } else if (from.is_object() && from.size() == 1 && from.begin()->is_object()) {
      one.id = from.begin().key();
      config = from.begin()->value("config", *from.begin());
    }
    if (one.id.empty())
      return complain(
          line_of(path.substr(0, path.find('['))), path, "expected a provider",
          "for example openai:gpt-4o-mini, or {id: openai:gpt-4o-mini, config: {temperature: 0}}");
    ordered generation = ordered::object();
    if (config.is_object())
      for (const auto& [key, value] : config.items()) {
        static const std::set<std::string, std::less<>> known{
            "temperature", "max_tokens", "top_p", "stop", "presence_penalty", "frequency_penalty", "seed"};
        if (known.contains(key))
          generation[key] = value;
        else
          out_.file.notes.push_back("`" + key + "` of " + one.id + " is left to the configuration");
      }
    one.generation = generation.dump(-1, ' ', false, ordered::error_handler_t::replace);
    out_.file.providers.push_back(std::move(one));
  }

  // -- tests ---------------------------------------------------------------------------------------------

  void take_default() {
    auto value = top_.value("defaultTest", ordered());
    if (value.is_string())
      value = files_.value(value.get<std::string>(), "defaultTest", line_of("defaultTest"));
    if (value.is_null())
      return;
    default_.line = line_of("defaultTest");
    default_.place = "defaultTest";
    fill(value, default_);
  }

  /// Reads one mapping over what @p into holds already.
  void fill(const ordered& from, test& into) {
    if (!from.is_object())
      return complain(into.line, into.place, "expected a test: a mapping with vars and assert");
    check_keys(from, test_keys, into.place, into.line);
    if (auto vars = from.value("vars", ordered()); !vars.is_null()) {
      if (vars.is_string())
        vars = files_.value(vars.get<std::string>(), into.place + ".vars", into.line);
      if (!vars.is_object())
        return complain(into.line, into.place + ".vars", "expected variables by their names");
      for (auto& [key, value] : vars.items())
        into.vars[key] = with_files(value, into.place + ".vars." + key, into.line);
    }
    if (const auto list = from.value("assert", ordered()); !list.is_null()) {
      if (!list.is_array())
        return complain(into.line, into.place + ".assert", "expected a list of assertions");
      into.own = list;
      resolve(into.own, into.place + ".assert", into.line);
    }
    if (const auto at = from.find("threshold"); at != from.end() && at->is_number())
      into.threshold = at->get<double>();
    else if (at != from.end() && !at->is_null())
      complain(into.line, into.place + ".threshold", "expected a number");
    if (const auto at = from.find("description"); at != from.end() && at->is_string())
      into.description = at->get<std::string>();
    take_options(from.value("options", ordered::object()), into);
  }

  void take_options(const ordered& options, test& into) {
    if (!options.is_object())
      return complain(into.line, into.place + ".options", "expected a mapping");
    check_keys(options,
               {"prefix", "suffix", "disableVarExpansion", "disableDefaultAsserts", "runSerially",
                "rubricPrompt", "provider", "factuality", "cachedResponse"},
               into.place + ".options", into.line);
    for (const auto& [key, value] : options.items())
      into.options[key] = value;
  }

  /// Puts the contents in the place of `file://`.
  ordered with_files(const ordered& value, const std::string& path, int line) {
    if (value.is_string() && value.get_ref<const std::string&>().starts_with("file://"))
      return files_.value(value.get<std::string>(), path, line);
    if (!value.is_array())
      return value;
    ordered out = ordered::array();
    for (const auto& one : value)
      out.push_back(with_files(one, path, line));
    return out;
  }

  /// Puts templates of assertions and files in their places, and refuses what assertions cannot have here.
  void resolve(ordered& list, const std::string& path, int line) {
    for (size_t i = 0; i < list.size(); ++i) {
      auto& one = list[i];
      const auto place = path + "[" + std::to_string(i) + "]";
      if (!one.is_object())
        continue;
      if (const auto ref = one.find("$ref"); ref != one.end())
        one = template_of(*ref, place, line);
      for (const char* key : {"transform", "contextTransform"})
        if (one.is_object() && one.contains(key))
          complain(line, place + "." + key, "transformations of answers are not supported",
                   "take it out, or write the test as a task with filters", errc::unsupported);
      if (const auto value = one.find("value"); value != one.end())
        *value = with_files(*value, place + ".value", line);
      if (const auto inner = one.find("assert"); inner != one.end() && inner->is_array())
        resolve(*inner, place + ".assert", line);
    }
  }

  ordered template_of(const ordered& ref, const std::string& place, int line) {
    constexpr std::string_view prefix = "#/assertionTemplates/";
    const auto name = ref.is_string() ? ref.get<std::string>() : std::string{};
    const auto all = top_.value("assertionTemplates", ordered::object());
    if (name.starts_with(prefix) && all.is_object())
      if (const auto found = all.find(name.substr(prefix.size())); found != all.end())
        return *found;
    complain(line, place + ".$ref", "no such template of an assertion", "write it below assertionTemplates");
    return ordered::object();
  }

  void take_tests() {
    auto tests = top_.value("tests", ordered());
    const YAML::Node node = root_node_["tests"];
    if (tests.is_string())
      tests = ordered::array({tests});
    // Without tests the prompts are asked once.
    if (tests.is_null())
      tests = ordered::array({ordered::object()});
    if (!tests.is_array())
      return complain(line_of("tests"), "tests", "expected a list of tests, or a file of them");
    for (size_t i = 0; i < tests.size(); ++i) {
      const int line =
          node.IsDefined() && node.IsSequence() && i < node.size() ? node[i].Mark().line : line_of("tests");
      const auto place = "tests[" + std::to_string(i) + "]";
      if (!tests[i].is_string()) {
        take_test(tests[i], place, line);
        continue;
      }
      size_t number = 0;
      for (const auto& one : files_.tests(tests[i].get<std::string>(), place, line))
        take_test(one, place + " test " + std::to_string(++number), line);
    }
    if (out_.file.rows.empty() && out_.faults.empty())
      complain(line_of("tests"), "tests", "there are no tests");
  }

  void take_test(const ordered& from, const std::string& place, int line) {
    test one = default_;
    one.place = place;
    one.line = line;
    one.own = ordered::array();
    one.description.clear();
    fill(from, one);
    const bool without = one.options.value("disableDefaultAsserts", ordered()) == true;
    const ordered defaults = without ? ordered::array() : default_.own;
    expand(one, defaults, one.vars.begin(), ordered::object());
  }

  /// Every combination of the lists among the variables is a test of its own.
  void expand(const test& one, const ordered& defaults, ordered::const_iterator next, const ordered& chosen) {
    if (next == one.vars.end())
      return add_row(one, defaults, chosen);
    auto following = next;
    ++following;
    const bool expands = one.options.value("disableVarExpansion", ordered()) != true;
    const bool is_list = expands && next->is_array();
    for (size_t i = 0; i < (is_list ? next->size() : 1) && !full_; ++i) {
      auto with = chosen;
      with[next.key()] = is_list ? (*next)[i] : *next;
      expand(one, defaults, following, with);
    }
  }

  void add_row(const test& one, const ordered& defaults, const ordered& vars) {
    if (out_.file.rows.size() >= most_rows) {
      if (!std::exchange(full_, true))
        complain(one.line, one.place, "more than " + std::to_string(most_rows) + " tests", "split the file");
      return;
    }
    ordered row;
    row["id"] = std::to_string(out_.file.rows.size());
    if (!one.description.empty())
      row["description"] = one.description;
    row["vars"] = vars;
    ordered list = defaults;
    for (const auto& assertion : one.own)
      list.push_back(assertion);
    if (const auto wrong = render_all(list, vars)) {
      refuse(row, *wrong, one, "assert");
      list = ordered::array();
    } else {
      check(one, list, defaults.size());
    }
    row["assert"] = ordered::object();
    row["assert"]["assert"] = std::move(list);
    if (one.threshold)
      row["assert"]["threshold"] = *one.threshold;
    for (size_t i = 0; i < prompts_.size(); ++i) {
      ordered messages;
      if (const auto wrong = render_messages(prompts_[i], vars, text_option(one, "prefix"),
                                             text_option(one, "suffix"), messages))
        refuse(row, *wrong, one, "the prompt " + prompts_[i].name);
      else
        row["messages_" + std::to_string(i + 1)] = std::move(messages);
    }
    out_.file.rows.push_back(row.dump(-1, ' ', false, ordered::error_handler_t::replace));
  }

  static std::string text_option(const test& one, const char* key) {
    const auto found = one.options.find(key);
    return found != one.options.end() && found->is_string() ? found->get<std::string>() : std::string{};
  }

  /// What cannot be understood is the file's mistake; a variable without a value is the test's alone.
  void refuse(ordered& row, const fault& reason, const test& one, const std::string& what) {
    if (reason.code != errc::template_failed) {
      if (told_.insert(what + reason.message).second)
        complain(one.line, one.place, what + ": " + reason.message, reason.hint, reason.code);
      return;
    }
    if (!row.contains("error"))
      row["error"] = what + ": " + reason.message + ", " + one.place;
  }

  void check(const test& one, const ordered& list, size_t defaults) {
    ordered text = ordered::object();
    text["assert"] = list;
    const auto wrong =
        scoring::check_assertions(text.dump(-1, ' ', false, ordered::error_handler_t::replace));
    if (!wrong)
      return;
    // `assert[2].type` counts those of defaultTest too.
    const size_t open = wrong->where.find('[');
    const size_t close = wrong->where.find(']');
    size_t index = 0;
    if (open != std::string::npos && close != std::string::npos)
      index = std::stoul(wrong->where.substr(open + 1, close - open - 1));
    const bool is_default = index < defaults;
    const auto rest = close == std::string::npos ? std::string{} : wrong->where.substr(close + 1);
    const auto place = (is_default ? default_.place : one.place) + ".assert["
                       + std::to_string(is_default ? index : index - defaults) + "]" + rest;
    if (told_.insert(place).second)
      complain(is_default ? default_.line : one.line, place, wrong->message, wrong->hint, wrong->code);
  }

  loaded_test_file out_;
  named_files files_;
  ordered top_;
  YAML::Node root_node_;
  std::vector<prompt> prompts_;
  test default_;
  std::set<std::string> told_;
  bool full_ = false;
};

} // namespace

bool is_promptfoo(const std::string& yaml) {
  bool prompts = false;
  bool theirs = false;
  bool own = false;
  for (size_t begin = 0; begin < yaml.size();) {
    const size_t end = std::min(yaml.find('\n', begin), yaml.size());
    const std::string_view line = std::string_view(yaml).substr(begin, end - begin);
    begin = end + 1;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || line.front() == ' ' || line.front() == '#')
      continue;
    const auto key = line.substr(0, colon);
    prompts = prompts || key == "prompts";
    theirs = theirs || key == "tests" || key == "providers" || key == "targets" || key == "defaultTest"
             || key == "scenarios";
    own = own || key == "id" || key == "dataset" || key == "target" || key == "scorer" || key == "scorers";
  }
  return prompts && theirs && !own;
}

loaded_test_file read_file(const fs::path& file, const std::string& yaml, const fs::path& root,
                           const data_places& places) {
  return reader{file, root, places}.read(yaml);
}

} // namespace assay::tasks::promptfoo
