#include "core/scoring/answer_list.hpp"
#include "core/scoring/scorer_types.hpp"
#include "core/scoring/text.hpp"

#include <algorithm>
#include <array>

namespace assay::scoring {
namespace {

/// What exact_match, contains and regex share: several right answers, compared after normalisation.
class text_scorer : public scorer {
public:
  explicit text_scorer(const scorer_definition& d, std::vector<pattern> ignored = {})
      : scorer(d), ignored_(std::move(ignored)) {
    for (size_t c = 1; c < 0x80; ++c) {
      const auto byte = static_cast<uint32_t>(c);
      const bool digit = c >= '0' && c <= '9';
      const bool removed =
          (d.ignore_punctuation && is_ascii_punctuation(byte)) || (d.ignore_numbers && digit);
      const bool capital = d.ignore_case && c >= 'A' && c <= 'Z';
      kept_[c] = removed ? '\0' : static_cast<char>(capital ? c + 32 : c);
    }
  }

protected:
  std::string normalised(std::string_view text) const {
    const scorer_definition& d = definition();
    std::string out(text);
    for (const pattern& ignored : ignored_)
      out = ignored.without_matches(out);
    if (d.ignore_case)
      out = lower_case(out);
    if (d.ignore_punctuation)
      out = d.ascii_only ? remove_ascii_punctuation(out) : remove_punctuation(out);
    if (d.ignore_numbers)
      out = d.ascii_only ? remove_ascii_digits(out) : remove_digits(out);
    if (d.strip)
      out = std::string(scoring::strip(out));
    return out;
  }

  std::optional<std::vector<std::string>> right_texts(std::string_view target) const {
    return scoring::right_texts(definition(), target);
  }

  static score_outcome no_list() {
    return unusable_target("the target is not a JSON array of texts",
                           "correct the scorer's separator, or the dataset");
  }

  /// normalised() for short ASCII texts, which are nearly all, without memory of its own.
  /// @returns nothing for others.
  std::optional<std::string_view> plain(std::string_view text, std::array<char, 256>& buffer) const {
    if (text.size() > buffer.size() || !ignored_.empty())
      return std::nullopt;
    size_t size = 0;
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte == 0 || byte >= 0x80)
        return std::nullopt;
      buffer[size] = kept_[byte];
      size += kept_[byte] != 0 ? 1 : 0;
    }
    const std::string_view out(buffer.data(), size);
    return definition().strip ? scoring::strip(out) : out;
  }

  bool same(std::string_view a, std::string_view b) const {
    std::array<char, 256> mine;
    std::array<char, 256> theirs;
    const auto left = plain(a, mine);
    const auto right = left ? plain(b, theirs) : std::nullopt;
    return right ? *left == *right : normalised(a) == normalised(b);
  }

  score_outcome compare(std::string_view found, std::string_view target) const {
    if (definition().separator.empty() && definition().targets.empty())
      return {same(found, target) ? 1.0 : 0.0, std::string(found), std::nullopt};
    const auto texts = right_texts(target);
    if (!texts)
      return no_list();
    const std::string mine = normalised(found);
    const bool right = std::any_of(texts->begin(), texts->end(),
                                   [&](const std::string& text) { return normalised(text) == mine; });
    return {right ? 1.0 : 0.0, std::string(found), std::nullopt};
  }

  std::vector<std::string> wrong_candidates(std::string_view target) const override {
    return {std::string(target) + " or so", "Something else"};
  }

private:
  std::vector<pattern> ignored_;
  std::array<char, 0x80> kept_{}; ///< What becomes of each ASCII character; 0 for nothing.
};

class exact_match final : public text_scorer {
public:
  using text_scorer::text_scorer;

protected:
  score_outcome judge(std::string_view answer, std::string_view target) const override {
    return compare(definition().strip ? scoring::strip(answer) : answer, target);
  }
  std::vector<std::string> right_candidates(std::string_view target) const override {
    return right_texts(target).value_or(std::vector<std::string>{});
  }
};

class starts_with final : public text_scorer {
public:
  using text_scorer::text_scorer;

protected:
  score_outcome judge(std::string_view answer, std::string_view target) const override {
    const auto texts = right_texts(target);
    if (!texts)
      return no_list();
    const std::string mine = normalised(answer);
    for (const std::string& text : *texts)
      if (const std::string wanted = normalised(text); !wanted.empty() && mine.starts_with(wanted))
        return {1, text, std::nullopt};
    return {};
  }
  std::vector<std::string> right_candidates(std::string_view target) const override {
    return right_texts(target).value_or(std::vector<std::string>{});
  }
  std::vector<std::string> wrong_candidates(std::string_view target) const override {
    return {"Not " + std::string(target), "Something else"};
  }
};

class contains final : public text_scorer {
public:
  using text_scorer::text_scorer;

protected:
  score_outcome judge(std::string_view answer, std::string_view target) const override {
    const auto texts = right_texts(target);
    if (!texts)
      return no_list();
    const std::string mine = normalised(answer);
    score_outcome outcome;
    size_t found = 0;
    for (const std::string& text : *texts) {
      if (!occurs(mine, normalised(text)))
        continue;
      if (found++ == 0)
        outcome.extracted = text;
    }
    const bool right = definition().all ? found == texts->size() && found > 0 : found > 0;
    outcome.value = right ? 1 : 0;
    return outcome;
  }

  std::vector<std::string> right_candidates(std::string_view target) const override {
    const auto texts = right_texts(target).value_or(std::vector<std::string>{});
    if (texts.empty())
      return {};
    std::string every;
    for (const std::string& text : texts)
      every.append(every.empty() ? "" : ", ").append(text);
    return {"The answer is " + (definition().all ? every : texts.front()) + ".", every};
  }

private:
  /// An empty text occurs nowhere: it would make every answer right.
  bool occurs(const std::string& answer, const std::string& text) const {
    if (text.empty())
      return false;
    size_t at = answer.find(text);
    if (!definition().whole_words)
      return at != std::string::npos;
    for (; at != std::string::npos; at = answer.find(text, at + 1))
      if (!word_before(answer, at) && !word_after(answer, at + text.size()))
        return true;
    return false;
  }
  static bool word_before(const std::string& text, size_t at) {
    if (at == 0)
      return false;
    size_t start = at - 1;
    while (start > 0 && at - start < 4 && (static_cast<unsigned char>(text[start]) & 0xC0U) == 0x80U)
      --start;
    return is_word_character(decode(text, start).value);
  }
  static bool word_after(const std::string& text, size_t at) {
    return at < text.size() && is_word_character(decode(text, at).value);
  }
};

class regex final : public text_scorer {
public:
  regex(const scorer_definition& d, pattern expression, std::optional<uint32_t> group)
      : text_scorer(d), expression_(std::move(expression)), group_(group) {}

protected:
  score_outcome judge(std::string_view answer, std::string_view target) const override {
    const auto match = expression_.find(answer, group_.value_or(0), definition().match);
    if (!match || !match->group)
      return {};
    if (!group_)
      return {1, std::string(match->whole), std::nullopt};
    return compare(*match->group, target);
  }

  std::vector<std::string> right_candidates(std::string_view target) const override {
    const std::string& text = definition().pattern;
    std::vector<std::string> candidates;
    for (const std::string& right : right_texts(target).value_or(std::vector<std::string>{})) {
      candidates.push_back(example_of(text, group_.value_or(0), right));
      candidates.push_back(right);
    }
    candidates.push_back(example_of(text, 0, {}));
    return candidates;
  }

private:
  pattern expression_;
  std::optional<uint32_t> group_;
};

} // namespace

result<std::unique_ptr<scorer>> make_exact_match(const scorer_definition& definition) {
  std::vector<pattern> ignored;
  for (const std::string& text : definition.regexes_to_ignore) {
    auto compiled = pattern::compile(text, "regexes_to_ignore");
    if (compiled.has_error())
      return compiled.error();
    ignored.push_back(std::move(*compiled));
  }
  return std::unique_ptr<scorer>(std::make_unique<exact_match>(definition, std::move(ignored)));
}

result<std::unique_ptr<scorer>> make_starts_with(const scorer_definition& definition) {
  return std::unique_ptr<scorer>(std::make_unique<starts_with>(definition));
}

result<std::unique_ptr<scorer>> make_contains(const scorer_definition& definition) {
  return std::unique_ptr<scorer>(std::make_unique<contains>(definition));
}

result<std::unique_ptr<scorer>> make_regex(const scorer_definition& definition) {
  if (definition.pattern.empty())
    return fault{errc::invalid_argument, "the scorer regex needs a pattern", "pattern",
                 "for example: pattern: 'Answer: (.+)'"};
  auto expression = pattern::compile(definition.pattern, "pattern", definition.ignore_case);
  if (expression.has_error())
    return expression.error();
  std::optional<uint32_t> group = definition.group;
  if (!group && expression->groups() > 0)
    group = 1;
  if (group && *group > expression->groups())
    return fault{errc::invalid_argument,
                 "the pattern has " + std::to_string(expression->groups()) + " groups, not "
                     + std::to_string(*group),
                 "group", "0 is the whole match"};
  return std::unique_ptr<scorer>(std::make_unique<regex>(definition, std::move(*expression), group));
}

} // namespace assay::scoring
