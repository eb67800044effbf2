#include "core/scoring/filters.hpp"

#include "core/scoring/pattern.hpp"
#include "core/scoring/text.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <utility>

namespace assay::scoring {
namespace {

constexpr std::array<std::pair<filter_type, std::string_view>, filter_type_count> type_names{{
    {filter_type::regex, "regex"},
    {filter_type::multi_choice_regex, "multi_choice_regex"},
    {filter_type::regex_pos, "regex_pos"},
    {filter_type::remove_whitespace, "remove_whitespace"},
    {filter_type::take_first, "take_first"},
    {filter_type::take_first_k, "take_first_k"},
    {filter_type::majority_vote, "majority_vote"},
    {filter_type::lowercase, "lowercase"},
    {filter_type::uppercase, "uppercase"},
    {filter_type::map, "map"},
    {filter_type::format_span, "format_span"},
    {filter_type::custom, "custom"},
}};

constexpr std::string_view default_pattern = R"(#### (\-?[0-9\.\,]+))";
constexpr size_t choice_limit = 26;

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  size_t begin = 0;
  for (size_t at = text.find(from); at != std::string_view::npos; at = text.find(from, begin)) {
    out.append(text.substr(begin, at - begin)).append(to);
    begin = at + from.size();
  }
  return out.append(text.substr(begin));
}

/// @returns the match that @p select names; nothing when there is none of that number.
template <class List>
const std::string_view* selected(const List& matches, int32_t select) {
  const auto count = static_cast<int64_t>(matches.size());
  const int64_t at = select < 0 ? count + select : select;
  return at < 0 || at >= count ? nullptr : &matches[static_cast<size_t>(at)];
}

/// As Python's list of texts is written, which is what metrics of such tags compare.
std::string list_text(const std::vector<std::string_view>& items) {
  std::string out = "[";
  for (const std::string_view item : items)
    out.append(out.size() > 1 ? ", '" : "'").append(item).append("'");
  return out + "]";
}

std::string tags_in(std::string_view answer) {
  static const pattern pairs = pattern::compile(R"(\('[^']*', '([^']*)'\))", "built-in").value();
  const auto tags = pairs.find_all(answer);
  return tags.empty() ? "['invalid']" : list_text(tags);
}

std::string span_labels(std::string_view answer) {
  // The order decides what becomes of words that begin alike.
  constexpr std::array<std::pair<std::string_view, std::string_view>, 15> labels{{{"person", "PER"},
                                                                                  {"location", "LOC"},
                                                                                  {"organization", "ORG"},
                                                                                  {"counties", "LOC"},
                                                                                  {"places", "LOC"},
                                                                                  {"people", "PER"},
                                                                                  {"persons", "PER"},
                                                                                  {"company", "ORG"},
                                                                                  {"country", "LOC"},
                                                                                  {"continent", "LOC"},
                                                                                  {"time", "DATE"},
                                                                                  {"date", "DATE"},
                                                                                  {"per", "PER"},
                                                                                  {"loc", "LOC"},
                                                                                  {"org", "ORG"}}};
  std::string text = lower_case(answer);
  for (const auto& [word, label] : labels)
    text = replaced(text, word, label);
  return text;
}

/// @returns `label: name` of each entity that is not `none`, with ` $ ` between.
std::string format_span(std::string_view answer) {
  static const pattern entities =
      pattern::compile(R"(\b((?:PER|LOC|ORG|DATE):\s*[^$]+))", "built-in").value();
  const std::string labelled = replaced(span_labels(answer), "\n", "$");
  std::string out;
  for (const std::string_view found : entities.find_all(strip(labelled))) {
    const size_t colon = found.find(':');
    const std::string label = lower_case(found.substr(0, colon));
    std::string_view names = found.substr(colon + 1);
    while (true) {
      const size_t comma = names.find(',');
      const std::string_view name = strip(names.substr(0, comma));
      if (lower_case(name) != "none")
        out.append(out.empty() ? "" : " $ ").append(label).append(": ").append(name);
      if (comma == std::string_view::npos)
        break;
      names.remove_prefix(comma + 1);
    }
  }
  return out;
}

} // namespace

std::string_view to_string(filter_type type) noexcept {
  for (const auto& [value, name] : type_names)
    if (value == type)
      return name;
  return "unknown";
}

std::optional<filter_type> filter_type_from_string(std::string_view name) noexcept {
  for (const auto& [value, known] : type_names)
    if (known == name)
      return value;
  return std::nullopt;
}

std::string beyond_re2(std::string_view text) {
  bool in_class = false;
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\') {
      const char next = text[++i];
      if (!in_class && next >= '1' && next <= '9')
        return std::string("back-reference \\") + next;
      continue;
    }
    if (in_class) {
      in_class = c != ']';
      continue;
    }
    if (c == '[') {
      in_class = true;
      // A bracket right after the opening one is a member of the class.
      if (text[i + 1] == '^')
        ++i;
      if (i + 1 < text.size() && text[i + 1] == ']')
        ++i;
      continue;
    }
    if (c != '(' || text[i + 1] != '?')
      continue;
    const std::string_view rest = text.substr(i + 2);
    if (rest.starts_with("=") || rest.starts_with("!"))
      return "look-ahead (?" + std::string(rest.substr(0, 1));
    if (rest.starts_with("<=") || rest.starts_with("<!"))
      return "look-behind (?" + std::string(rest.substr(0, 2));
    if (rest.starts_with("P="))
      return "back-reference (?P=";
    if (rest.starts_with("("))
      return "condition (?(";
    if (rest.starts_with(">"))
      return "atomic group (?>";
  }
  return {};
}

std::string majority_of(std::span<const std::string> texts) {
  std::unordered_map<std::string_view, size_t> counts;
  for (const std::string& text : texts)
    ++counts[text];
  const std::string* best = nullptr;
  size_t most = 0;
  for (const std::string& text : texts)
    if (const size_t count = counts[text]; count > most) {
      most = count;
      best = &text;
    }
  return best == nullptr ? std::string{} : *best;
}

struct filter_pipeline::step {
  filter_definition definition;
  std::optional<pattern> expression;
  std::vector<pattern> ignored;

  bool outside() const { return definition.in_python || definition.type == filter_type::custom; }

  bool is_about_repeats() const {
    return definition.type == filter_type::take_first || definition.type == filter_type::take_first_k
           || definition.type == filter_type::majority_vote;
  }

  std::string run(std::string_view answer, std::span<const std::string> choices) const {
    switch (definition.type) {
    case filter_type::regex:
      return found(answer).value_or(definition.fallback);
    case filter_type::multi_choice_regex:
      return choice(answer, choices);
    case filter_type::regex_pos:
      return tags_in(answer);
    case filter_type::remove_whitespace:
      return std::string(strip_front(answer));
    case filter_type::lowercase:
      return lower_case(answer);
    case filter_type::uppercase:
      return upper_case(answer);
    case filter_type::map:
      return mapped(answer);
    case filter_type::format_span:
      return format_span(answer);
    case filter_type::take_first:
    case filter_type::take_first_k:
    case filter_type::majority_vote:
    case filter_type::custom:
      break;
    }
    return std::string(answer);
  }

  /// The chosen match of the pattern, stripped. A match whose several groups are all empty is none.
  std::optional<std::string> found(std::string_view answer) const {
    const int32_t select = definition.group_select;
    std::optional<std::string_view> match;
    // Nearly every task asks for the first, which needs no list.
    if (select == 0)
      match = expression->find_first(answer);
    else if (const auto matches = expression->find_all(answer); selected(matches, select) != nullptr)
      match = *selected(matches, select);
    if (!match || (expression->groups() > 1 && match->empty()))
      return std::nullopt;
    return std::string(strip(*match));
  }

  std::string cleaned(std::string_view text) const {
    std::string out(text);
    for (const pattern& expression_to_ignore : ignored)
      out = expression_to_ignore.without_matches(out);
    if (definition.ignore_case)
      out = lower_case(out);
    if (definition.ignore_punctuation)
      out = remove_punctuation(out);
    return out;
  }

  std::string choice(std::string_view answer, std::span<const std::string> choices) const {
    if (auto match = found(answer); match && !match->empty())
      return *std::move(match);
    if (const auto named = choice_text(answer, choices))
      return *named;
    const size_t count = std::min(choices.size(), choice_limit);
    std::vector<std::string_view> letters;
    for (size_t colon = answer.find(':'); colon != std::string_view::npos;
         colon = answer.find(':', colon + 1)) {
      const std::string_view rest = strip_front(answer.substr(colon + 1));
      if (!rest.empty() && rest[0] >= 'A' && static_cast<size_t>(rest[0] - 'A') < count)
        letters.push_back(rest.substr(0, 1));
    }
    const std::string_view* letter = selected(letters, definition.group_select);
    return letter == nullptr ? definition.fallback : "(" + std::string(*letter) + ")";
  }

  /// Reads the answer from left to right: at each place the first choice that stands there is a match.
  std::optional<std::string> choice_text(std::string_view answer,
                                         std::span<const std::string> choices) const {
    std::vector<std::string> texts;
    for (const std::string& text : choices.first(std::min(choices.size(), choice_limit)))
      texts.push_back(cleaned(strip(text)));
    const std::string text = cleaned(answer);
    std::vector<size_t> matches;
    for (size_t at = 0; at < text.size();) {
      const auto here = std::find_if(texts.begin(), texts.end(), [&](const std::string& one) {
        return !one.empty() && std::string_view(text).substr(at).starts_with(one);
      });
      if (here == texts.end()) {
        ++at;
        continue;
      }
      matches.push_back(static_cast<size_t>(here - texts.begin()));
      at += here->size();
    }
    const int64_t count = static_cast<int64_t>(matches.size());
    const int64_t at =
        definition.group_select < 0 ? count + definition.group_select : definition.group_select;
    if (at < 0 || at >= count)
      return std::nullopt;
    // Of two equal choices the later letter counts, as in a table that is filled in order.
    size_t letter = matches[static_cast<size_t>(at)];
    for (size_t i = letter + 1; i < texts.size(); ++i)
      if (texts[i] == texts[letter])
        letter = i;
    return std::string("(") + static_cast<char>('A' + letter) + ")";
  }

  std::string mapped(std::string_view answer) const {
    for (const auto& [from, to] : definition.mapping)
      if (from == answer)
        return to;
    return definition.default_value.value_or(std::string(answer));
  }
};

filter_pipeline::filter_pipeline() noexcept = default;
filter_pipeline::~filter_pipeline() = default;
filter_pipeline::filter_pipeline(filter_pipeline&&) noexcept = default;
filter_pipeline& filter_pipeline::operator=(filter_pipeline&&) noexcept = default;

result<filter_pipeline> filter_pipeline::compile(std::span<const filter_definition> steps) {
  filter_pipeline out;
  for (size_t i = 0; i < steps.size(); ++i) {
    const auto where = [&](std::string_view option) {
      return "filters[" + std::to_string(i) + "]." + std::string(option);
    };
    auto made = std::make_unique<step>();
    made->definition = steps[i];
    filter_definition& d = made->definition;
    const bool has_pattern = d.type == filter_type::regex || d.type == filter_type::multi_choice_regex;
    if (d.type == filter_type::take_first_k && d.k == 0)
      return fault{errc::invalid_argument, "expected k of 1 or more", where("k"), {}};
    if (has_pattern && !made->outside()) {
      if (d.pattern.empty())
        d.pattern = default_pattern;
      auto compiled = pattern::compile(d.pattern, where("regex_pattern"));
      if (!compiled) {
        fault problem = compiled.error();
        if (!beyond_re2(d.pattern).empty())
          problem.hint = "write it without, or add python: true, and the Python host runs this filter";
        return problem;
      }
      made->expression.emplace(std::move(*compiled));
      for (const std::string& text : d.regexes_to_ignore) {
        auto ignored = pattern::compile(text, where("regexes_to_ignore"));
        if (!ignored)
          return ignored.error();
        made->ignored.push_back(std::move(*ignored));
      }
    }
    out.steps_.push_back(std::move(made));
  }
  return out;
}

bool filter_pipeline::empty() const noexcept { return steps_.empty(); }

bool filter_pipeline::needs_python() const noexcept {
  return std::any_of(steps_.begin(), steps_.end(), [](const auto& one) { return one->outside(); });
}

std::string filter_pipeline::apply(std::string_view answer, std::span<const std::string> choices) const {
  std::string held;
  const std::string_view out = apply(answer, choices, held);
  return out.data() == held.data() ? std::move(held) : std::string(out);
}

std::string_view filter_pipeline::apply(std::string_view answer, std::span<const std::string> choices,
                                        std::string& held) const {
  for (const auto& one : steps_) {
    if (one->outside() || one->is_about_repeats())
      continue;
    // The step may read what is held.
    std::string next = one->run(answer, choices);
    held = std::move(next);
    answer = held;
  }
  return answer;
}

std::vector<std::string> filter_pipeline::apply_all(std::vector<std::string> answers,
                                                    std::span<const std::string> choices) const {
  for (const auto& one : steps_) {
    if (answers.empty() || one->outside())
      continue;
    switch (one->definition.type) {
    case filter_type::take_first:
      answers.resize(1);
      break;
    case filter_type::take_first_k:
      answers.resize(std::min<size_t>(answers.size(), one->definition.k));
      break;
    case filter_type::majority_vote:
      answers = {majority_of(answers)};
      break;
    default:
      for (std::string& answer : answers)
        answer = one->run(answer, choices);
    }
  }
  return answers;
}

} // namespace assay::scoring
