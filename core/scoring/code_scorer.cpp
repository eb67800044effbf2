#include "core/scoring/code_scorer.hpp"

#include "core/scoring/scorer_types.hpp"
#include "core/scoring/text.hpp"
#include "core/values/text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace assay::scoring {
namespace {

using nlohmann::json;

constexpr size_t report_limit = 2'000;
constexpr size_t block_limit = 10'000;

/// What models write behind the fence, by the language that a task asks for.
constexpr std::array<std::pair<std::string_view, std::string_view>, 16> language_names{
    {{"python", "python"},
     {"py", "python"},
     {"python3", "python"},
     {"javascript", "javascript"},
     {"js", "javascript"},
     {"node", "javascript"},
     {"cpp", "cpp"},
     {"c++", "cpp"},
     {"cxx", "cpp"},
     {"shell", "shell"},
     {"sh", "shell"},
     {"bash", "shell"},
     {"console", "shell"},
     {"sql", "sql"},
     {"sqlite", "sql"},
     {"text", "text"}}};

bool is_language(std::string_view word) {
  return std::any_of(language_names.begin(), language_names.end(),
                     [&](const auto& entry) { return entry.second == word; });
}

std::string_view language_of(std::string_view info, std::string& buffer) {
  info = strip(info);
  const size_t end = info.find_first_of(" \t{,:");
  buffer = lower_case(info.substr(0, end));
  for (const auto& [name, language] : language_names)
    if (name == buffer)
      return language;
  return buffer;
}

/// @returns how many backticks the line begins with, after at most three blanks; 0 when fewer than three.
size_t fence_of(std::string_view line, std::string_view& rest) {
  size_t at = 0;
  while (at < line.size() && at < 3 && line[at] == ' ')
    ++at;
  size_t count = 0;
  while (at + count < line.size() && line[at + count] == '`')
    ++count;
  rest = line.substr(at + count);
  return count >= 3 && rest.find('`') == std::string_view::npos ? count : 0;
}

std::string_view last_line_of(std::string_view text, std::string_view token) {
  const std::string mark = "\n" + std::string(token) + " ";
  const size_t at = text.rfind(mark);
  if (at == std::string_view::npos)
    return {};
  const std::string_view line = text.substr(at + mark.size());
  return line.substr(0, line.find('\n'));
}

std::string ended_text(const sandbox_result& result) {
  const std::string err(strip(cut(result.err.view(), 300)));
  std::string out = "the tests gave no verdict: " + std::string(to_string(result.end));
  if (result.end == sandbox_end::exited)
    out += " with " + std::to_string(result.exit_code);
  else if (result.end == sandbox_end::signalled)
    out += " by signal " + std::to_string(result.signal);
  return err.empty() ? out : out + ": " + valid_utf8(err);
}

/// Stands for what something outside judges.
class outside_scorer final : public scorer {
public:
  using scorer::scorer;

protected:
  score_outcome judge(std::string_view, std::string_view) const override {
    return {0,
            {},
            fault{errc::scorer_failed,
                  "the scorer " + name_of(definition()) + " needs "
                      + std::string(needs() == scorer_need::sandbox  ? "the sandbox"
                                    : needs() == scorer_need::python ? "the Python host"
                                    : needs() == scorer_need::judge  ? "a judge"
                                                                     : "embeddings"),
                  "type",
                  {}}};
  }
  std::vector<std::string> right_candidates(std::string_view target) const override {
    return {target.empty() ? std::string("Here is a careful answer.") : std::string(target)};
  }
  std::vector<std::string> wrong_candidates(std::string_view) const override { return {}; }
};

std::optional<fault> check_code(const scorer_definition& d) {
  if (!is_language(d.language))
    return fault{errc::invalid_argument, "no language is called `" + d.language + "`", "language",
                 "known: python, javascript, cpp, shell, sql, text"};
  if (d.cpu_ms < 100 || d.cpu_ms > 600'000 || d.wall_ms < 100 || d.wall_ms > 600'000)
    return fault{errc::invalid_argument, "expected 100 to 600000 milliseconds", "wall_ms", {}};
  if (d.memory_mb < 16 || d.memory_mb > 16'384)
    return fault{errc::invalid_argument, "expected 16 to 16384 MiB", "memory_mb", {}};
  return std::nullopt;
}

class code_quality final : public scorer {
public:
  using scorer::scorer;

protected:
  score_outcome judge(std::string_view answer, std::string_view) const override {
    const code_measures found = measure_code(find_code(answer, definition().language), definition().language);
    const auto shown = [](double value) { return std::to_string(value).substr(0, 4); };
    return {found.total,
            "comments " + shown(found.comments) + ", lines " + shown(found.line_length) + ", functions "
                + shown(found.function_length) + ", nesting " + shown(found.nesting) + ", names "
                + shown(found.naming),
            std::nullopt};
  }
  std::vector<std::string> right_candidates(std::string_view target) const override {
    return {std::string(target)};
  }
  std::vector<std::string> wrong_candidates(std::string_view) const override { return {""}; }
};

} // namespace

std::string_view find_code(std::string_view answer, std::string_view language) {
  if (language == "text")
    return answer;
  std::string_view best;
  bool found = false;
  bool found_language = false;
  size_t open = 0; // backticks of the fence that is open
  size_t begin = 0;
  bool wanted = false;
  size_t blocks = 0;
  std::string buffer;
  const auto close = [&](size_t end) {
    if (wanted || !found_language) {
      best = answer.substr(begin, end - begin);
      found = true;
      found_language = found_language || wanted;
    }
    open = 0;
  };
  for (size_t at = 0; at < answer.size() && blocks < block_limit;) {
    const size_t end = std::min(answer.find('\n', at), answer.size());
    std::string_view rest;
    const size_t fence = fence_of(answer.substr(at, end - at), rest);
    if (open == 0 && fence > 0) {
      open = fence;
      begin = std::min(end + 1, answer.size());
      wanted = language_of(rest, buffer) == language;
      ++blocks;
    } else if (open > 0 && fence >= open && strip(rest).empty()) {
      close(at);
    }
    at = end + 1;
  }
  // An answer that was cut off has no closing fence.
  if (open > 0)
    close(answer.size());
  return found ? best : answer;
}

sandbox_job make_code_job(const scorer_definition& definition, const code_question& question, uint64_t id) {
  sandbox_job job;
  job.id = id;
  job.command = {"python3", "harness.py", std::string(question.token)};
  job.files.push_back({"harness.py", shared_text(code_harness())});
  job.files.push_back({"tests.py", shared_text(question.tests)});
  job.files.push_back({"answer.txt", shared_text(question.answer)});
  job.files.push_back({"code.txt", shared_text(find_code(question.answer, definition.language))});
  if (!question.turns.empty()) {
    json turns = json::array();
    for (const std::string& turn : question.turns)
      turns.push_back(turn);
    job.files.push_back(
        {"turns.json", shared_text(turns.dump(-1, ' ', true, json::error_handler_t::replace))});
  }
  job.limits.cpu = milliseconds(definition.cpu_ms);
  job.limits.wall = milliseconds(definition.wall_ms);
  job.limits.memory_bytes = uint64_t{definition.memory_mb} << 20U;
  return job;
}

code_verdict read_code_verdict(const sandbox_result& result, std::string_view token) {
  code_verdict out;
  if (result.error) {
    out.problem = *result.error;
    return out;
  }
  const std::string_view line = last_line_of(result.out.view(), token);
  const json verdict = json::parse(line, nullptr, false);
  if (!verdict.is_object()) {
    out.report = cut(ended_text(result), report_limit);
    return out;
  }
  if (const auto error = verdict.find("error"); error != verdict.end() && error->is_string()) {
    out.problem = fault{errc::scorer_failed, "the hidden tests cannot be read: " + error->get<std::string>(),
                        "target", "correct the dataset"};
    return out;
  }
  const auto number = [&](const char* key) {
    const auto at = verdict.find(key);
    return at != verdict.end() && at->is_number_unsigned()
               ? static_cast<uint32_t>(std::min<uint64_t>(at->get<uint64_t>(), 1'000'000))
               : 0U;
  };
  out.total = number("total");
  out.passed = std::min(number("passed"), out.total);
  if (const auto failed = verdict.find("failed"); failed != verdict.end() && failed->is_array())
    for (const json& one : *failed)
      if (one.is_string() && out.report.size() < report_limit)
        out.report.append(out.report.empty() ? "" : "\n").append(one.get<std::string>());
  out.report = std::string(cut(out.report, report_limit));
  return out;
}

score_outcome code_outcome(scorer_type type, const code_verdict& verdict) {
  if (verdict.problem)
    return {0, {}, verdict.problem};
  const double share =
      verdict.total == 0 ? 0 : static_cast<double>(verdict.passed) / static_cast<double>(verdict.total);
  const double value = type == scorer_type::completeness ? share : share == 1 ? 1 : 0;
  std::string shown = std::to_string(verdict.passed) + " of " + std::to_string(verdict.total) + " tests";
  if (!verdict.report.empty())
    shown += "; " + verdict.report;
  return {value, std::string(cut(valid_utf8(cut(shown, 256)), 256)), std::nullopt};
}

result<std::unique_ptr<scorer>> make_code_quality(const scorer_definition& d) {
  if (auto problem = check_code(d))
    return *std::move(problem);
  if (d.language == "text")
    return fault{errc::invalid_argument, "a text has no code_quality", "language",
                 "name the language of the code, or leave the scorer out"};
  return std::unique_ptr<scorer>(std::make_unique<code_quality>(d));
}

result<std::unique_ptr<scorer>> make_outside(const scorer_definition& d) {
  if (d.type == scorer_type::code || d.type == scorer_type::completeness)
    if (auto problem = check_code(d))
      return *std::move(problem);
  if (d.type == scorer_type::python && d.function.empty())
    return fault{errc::invalid_argument, "the scorer python needs a function", "function",
                 "for example: function: metrics.score, in metrics.py beside the task"};
  if (d.type == scorer_type::judge && d.rubric.empty() && d.prompt.empty())
    return fault{errc::invalid_argument, "the scorer judge needs a rubric", "rubric",
                 "say what a good answer has"};
  if (d.threshold && !(*d.threshold >= 0 && *d.threshold <= 1))
    return fault{errc::invalid_argument, "the threshold is out of range", "threshold", "0 to 1"};
  return std::unique_ptr<scorer>(std::make_unique<outside_scorer>(d));
}

} // namespace assay::scoring
