#include "core/reports/lm_eval_import.hpp"

#include "core/reports/json_writer.hpp"
#include "core/reports/result_view.hpp"
#include "core/tasks/byte_reader.hpp"
#include "core/tasks/dataset.hpp"
#include "core/values/text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace assay::reports {

namespace {

using nlohmann::json;

constexpr size_t most_scorers = 64;
constexpr size_t longest_name = 128;
constexpr size_t longest_extracted = 256;

fault wrong(const std::string& where, std::string message, std::string hint = {}) {
  return {errc::malformed_input, std::move(message), where, std::move(hint)};
}

/// @returns a text as it is, anything else as Python's str() would roughly show it.
std::string text_of(const json& value) {
  if (value.is_string())
    return value.get<std::string>();
  std::string out;
  json_writer(out).value(value);
  return out;
}

/// @returns the first leaf of nested lists.
const json& first_leaf(const json& value) {
  const auto* at = &value;
  while (at->is_array() && !at->empty())
    at = &at->front();
  return *at;
}

/// The first argument: a text, or a conversation.
std::string prompt_of(const json& line) {
  const auto* arguments = detail::member(line, "arguments");
  if (!arguments)
    return {};
  // A list in older files, {"gen_args_0": {"arg_0": ...}} in newer ones.
  const json* first = arguments;
  while (first->is_structured() && !first->empty()
         && !(first->is_array() && first->front().is_object() && first->front().contains("role")))
    first = first->is_object() ? &*first->begin() : &first->front();
  if (first->is_string() && !first->get_ref<const std::string&>().starts_with("[{\"role\""))
    return first->get<std::string>();
  const auto turns =
      first->is_string() ? json::parse(first->get_ref<const std::string&>(), nullptr, false) : *first;
  if (!turns.is_array())
    return text_of(*first);
  std::string out;
  for (const auto& turn : turns)
    if (const auto* content = detail::member(turn, "content"))
      out += (out.empty() ? "" : "\n\n") + text_of(*content);
  return out;
}

/// @returns the number, or nothing for what is none: a truth value counts as 0 or 1.
std::optional<double> number_of(const json& value) {
  if (value.is_boolean())
    return value.get<bool>() ? 1.0 : 0.0;
  if (value.is_number() && std::isfinite(value.get<double>()))
    return value.get<double>();
  return std::nullopt;
}

std::optional<uint64_t> count_of(const json& line, const char* key, uint64_t most) {
  const auto* found = detail::member(line, key);
  if (!found || !found->is_number_unsigned() || found->get<uint64_t>() > most)
    return std::nullopt;
  return found->get<uint64_t>();
}

std::optional<fault> read_metrics(const json& line, const std::string& where, lm_eval_line& out) {
  const auto* names = detail::member(line, "metrics");
  if (!names)
    return std::nullopt;
  if (!names->is_array())
    return wrong(where, "\"metrics\" must be a list of names");
  for (const auto& name : *names) {
    if (!name.is_string() || name.get_ref<const std::string&>().empty()
        || name.get_ref<const std::string&>().size() > longest_name)
      return wrong(where, "\"metrics\" must be a list of names");
    const auto& key = name.get_ref<const std::string&>();
    const auto* value = detail::member(line, key);
    if (!value)
      return wrong(where, "the metric \"" + key + "\" has no value",
                   "each name in \"metrics\" is a key of the line");
    // Some metrics keep what they are computed of, such as pairs of texts: those are no scores of a sample.
    if (value->is_structured())
      continue;
    const auto number = number_of(*value);
    if (!number)
      return wrong(where,
                   "the metric \"" + key + "\" must be a number, not " + text_of(*value).substr(0, 60));
    out.metrics.emplace_back(key, *number);
  }
  return std::nullopt;
}

} // namespace

result<lm_eval_line> read_lm_eval_line(std::string_view line, const std::string& where) {
  const auto parsed = json::parse(line, nullptr, false);
  if (!parsed.is_object())
    return wrong(where, "expected a JSON object", "samples_*.jsonl has one on each line");
  lm_eval_line out;
  const auto document = count_of(parsed, "doc_id", std::numeric_limits<uint32_t>::max() - 1);
  if (!document)
    return wrong(where, "\"doc_id\" must be a whole number from 0");
  out.document = static_cast<uint32_t>(*document);
  if (parsed.contains("epoch")) {
    const auto epoch = count_of(parsed, "epoch", 999);
    if (!epoch)
      return wrong(where, "\"epoch\" must be a whole number from 0 to 999");
    out.epoch = static_cast<uint16_t>(*epoch);
  }
  const auto* responses = detail::member(parsed, "resps");
  if (!responses || !responses->is_array())
    return wrong(where, "\"resps\" must be a list: the model's answers",
                 "write the file with lm_eval --log_samples");
  const auto* filter = detail::member(parsed, "filter");
  if (filter && (!filter->is_string() || filter->get_ref<const std::string&>().size() > longest_name))
    return wrong(where, "\"filter\" must be a name");
  out.filter = filter ? filter->get<std::string>() : "none";
  out.prompt = valid_utf8(prompt_of(parsed));
  out.answer = responses->empty() ? std::string{} : valid_utf8(text_of(first_leaf(*responses)));
  if (const auto* filtered = detail::member(parsed, "filtered_resps"))
    out.filtered = valid_utf8(text_of(first_leaf(*filtered)));
  if (const auto* target = detail::member(parsed, "target"))
    out.target = valid_utf8(text_of(*target));
  if (auto broken = read_metrics(parsed, where, out))
    return *broken;
  return out;
}

uint8_t lm_eval_samples::scorer_of(const std::string& metric, const std::string& filter) {
  const auto name = filter == "none" ? metric : metric + "," + filter;
  const auto found = std::find(scorers_.begin(), scorers_.end(), name);
  if (found != scorers_.end())
    return static_cast<uint8_t>(found - scorers_.begin());
  scorers_.push_back(name);
  return static_cast<uint8_t>(scorers_.size() - 1);
}

std::optional<fault> lm_eval_samples::add(const lm_eval_line& line, const std::string& where) {
  const place at{line.document, line.epoch};
  if (!seen_.emplace(std::pair{at, line.filter}, true).second)
    return wrong(where, "document " + std::to_string(line.document) + " stands twice with the filter \""
                            + line.filter + "\"");
  auto& scores = scores_[at];
  for (const auto& [metric, value] : line.metrics) {
    const auto scorer = scorer_of(metric, line.filter);
    if (scorers_.size() > most_scorers)
      return wrong(where, "there are more than " + std::to_string(most_scorers) + " metrics and filters");
    scores.push_back({scorer, value, line.filtered.substr(0, longest_extracted)});
  }
  documents_ = std::max<uint64_t>(documents_, uint64_t{line.document} + 1);
  epochs_ = std::max<uint32_t>(epochs_, uint32_t{line.epoch} + 1);
  return std::nullopt;
}

namespace {

/// Calls @p each with every line that is not blank. @returns the hash of the file.
result<std::string>
walk(const std::string& path,
     const std::function<std::optional<fault>(std::string_view, const std::string&)>& each) {
  auto bytes = tasks::byte_reader::open(path);
  if (!bytes)
    return bytes.error();
  tasks::sha256_digest digest;
  bytes->hash_into(&digest);
  std::string_view line;
  while (true) {
    const auto more = bytes->next_line(line);
    if (!more)
      return more.error();
    if (!*more)
      return digest.finish();
    if (line.find_first_not_of(" \t\r") == std::string_view::npos)
      continue;
    if (auto broken = each(line, bytes->where(bytes->line())))
      return *broken;
  }
}

} // namespace

result<lm_eval_samples> lm_eval_samples::read(const std::string& path) {
  lm_eval_samples out;
  out.path_ = path;
  auto hash = walk(path, [&](std::string_view text, const std::string& where) -> std::optional<fault> {
    const auto line = read_lm_eval_line(text, where);
    return line ? out.add(*line, where) : line.error();
  });
  if (!hash)
    return hash.error();
  out.hash_ = std::move(*hash);
  if (out.scores_.empty())
    return fault{errc::malformed_input, "there is no sample in the file", path, {}};
  if (out.scorers_.empty())
    out.notes_.push_back("no line has a metric: the answers were not scored");
  out.seen_.clear();
  return out;
}

result<void>
lm_eval_samples::for_each(const std::function<result<void>(sample_record&&, response_record&&)>& each) const {
  // Several lines tell of one sample: its first one brings the answer.
  std::map<place, bool> told;
  const auto hash = walk(path_, [&](std::string_view text, const std::string& where) -> std::optional<fault> {
    const auto line = read_lm_eval_line(text, where);
    if (!line)
      return line.error();
    const place at{line->document, line->epoch};
    const auto scores = scores_.find(at);
    if (scores == scores_.end())
      return fault{errc::conflict, "the file has changed", where, {}};
    if (!told.emplace(at, true).second)
      return std::nullopt;
    sample_record sample;
    sample.address.sample = line->document;
    sample.address.epoch = line->epoch;
    sample.status = sample_status::scored;
    sample.scores = scores->second;
    std::stable_sort(sample.scores.begin(), sample.scores.end(),
                     [](const auto& a, const auto& b) { return a.scorer < b.scorer; });
    response_record response;
    response.address = sample.address;
    response.prompt = shared_text{line->prompt};
    response.answer = shared_text{line->answer};
    response.target = shared_text{line->target};
    auto taken = each(std::move(sample), std::move(response));
    return taken ? std::nullopt : std::optional{taken.error()};
  });
  if (!hash)
    return hash.error();
  if (*hash != hash_)
    return fault{errc::conflict, "the file has changed while it was read", path_, "import it again"};
  return {};
}

std::vector<stats::summary> lm_eval_samples::summaries() const {
  std::vector<stats::score_accumulator> sums(scorers_.size());
  for (const auto& [at, scores] : scores_)
    for (const auto& score : scores)
      sums[score.scorer].add(score.value);
  std::vector<stats::summary> out;
  for (const auto& sum : sums)
    out.push_back(sum.finish());
  return out;
}

result<lm_eval_results> read_lm_eval_results(std::string_view text, const std::string& where) {
  const auto parsed = json::parse(text, nullptr, false);
  const auto* results = detail::member(parsed, "results");
  if (!results || !results->is_object())
    return wrong(where, "expected an object with \"results\"", "give the results_*.json of the same run");
  lm_eval_results out;
  if (const auto* name = detail::member(parsed, "model_name"); name && name->is_string())
    out.model = name->get<std::string>();
  out.date = detail::number_at(parsed, "date");
  if (const auto* shots = detail::member(parsed, "n-shot"); shots && shots->is_object())
    for (const auto& [task, count] : shots->items())
      if (count.is_number_unsigned())
        out.num_fewshot =
            std::max(out.num_fewshot, static_cast<uint32_t>(std::min<uint64_t>(count.get<uint64_t>(), 1000)));
  for (const auto& [task, numbers] : results->items()) {
    if (!numbers.is_object())
      return wrong(where, "\"results\"." + task + " must be an object");
    for (const auto& [name, value] : numbers.items())
      if (value.is_number() && name.find(',') != std::string::npos
          && name.find("_stderr,") == std::string::npos)
        out.metrics[task][name] = value.get<double>();
  }
  return out;
}

std::optional<std::string> task_of_samples_file(std::string_view file_name) {
  constexpr std::string_view start = "samples_";
  constexpr std::string_view end = ".jsonl";
  if (!file_name.starts_with(start) || !file_name.ends_with(end)
      || file_name.size() <= start.size() + end.size())
    return std::nullopt;
  auto middle = file_name.substr(start.size(), file_name.size() - start.size() - end.size());
  // The date begins with `_` and a digit; names of tasks may have both too, so the last one counts.
  const auto mark = middle.rfind('_');
  if (mark != std::string_view::npos && mark > 0 && mark + 5 < middle.size() && middle[mark + 5] == '-')
    middle = middle.substr(0, mark);
  return std::string(middle);
}

} // namespace assay::reports
