#include "core/scoring/scorer_types.hpp"
#include "core/scoring/text.hpp"

#include <charconv>

namespace assay::scoring {
namespace {

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_letter(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }

pattern built_in(std::string_view text) { return pattern::compile(text, "built-in").value(); }

/// How a letter is stated, in English and Chinese, strongest first. Texts are folded before.
struct statement_patterns {
  /// "the answer is B", "Answer: **(B)**", "答案是B", "\boxed{B}".
  pattern answer = built_in(
      R"((?i:(?:\banswers?(?:\s+(?:is|are|would\s+be|should\s+be|must\s+be|will\s+be))?(?:\s+(?:definitely|clearly|likely|probably|therefore|thus|simply))?)"
      R"(|\bcorrect\s+(?:choice|option|letter)(?:\s+(?:is|would\s+be))?)"
      R"(|(?:答案|正确选项|故选|应选|应该选|因此选|所以选|我选|选择)\s*(?:应该是|应为|应是|选|是|为)?))"
      R"(\s*:?\s*(?:(?:option|choice|letter|选项)\s*)?)[*_"'“‘「$(\[{\s]*(?:\\[a-z]+\{)*[($\s]*([A-Ja-j])\b|\\boxed\{\s*(?:\\[a-z]+\{)*\(?\s*([A-Ja-j])\b)");
  /// An answer, or a line, that begins with the letter: "B", "(B)", "B. Paris".
  pattern opening =
      built_in(R"((?m:^[\s*_("'\[$]*(?:([A-J])[*_"']*(?:[).:\]、]|\s*$)|([a-j])[*_"']*(?:[)\]]|\s*$))))");
  pattern option = built_in(R"((?i:\boption|\bchoice|选项|选)\s*[*_("']*([A-J])\b)");
  pattern marked = built_in(R"((?:\(|\*\*\(?)([A-J])(?:\)|\)?[.:]?\*\*))");
};

const statement_patterns& patterns() {
  static const statement_patterns compiled;
  return compiled;
}

/// What a target means.
struct wanted_choice {
  char letter = 0;  ///< 0 when only the text is known.
  std::string text; ///< Lower case, stripped; may be empty.
};

std::string plain(std::string_view text) {
  std::string out = lower_case(fold_width(text));
  std::string_view view = strip(out);
  while (!view.empty() && (view.back() == '.' || view.back() == ','))
    view.remove_suffix(1);
  return std::string(strip(view));
}

/// @returns where @p words last stand in @p text as whole words, or npos.
size_t last_words(std::string_view text, std::string_view words) {
  if (words.empty())
    return std::string_view::npos;
  for (size_t at = text.rfind(words); at != std::string_view::npos;
       at = at == 0 ? std::string_view::npos : text.rfind(words, at - 1)) {
    const size_t end = at + words.size();
    const bool open = at == 0 || !is_word_character(static_cast<unsigned char>(text[at - 1]));
    const bool closed = end == text.size() || !is_word_character(static_cast<unsigned char>(text[end]));
    if (open && closed)
      return at;
  }
  return std::string_view::npos;
}

class multiple_choice final : public scorer {
public:
  explicit multiple_choice(const scorer_definition& d)
      : scorer(d), letters_(d.choices.empty() ? d.letters : static_cast<uint32_t>(d.choices.size())) {
    for (const std::string& choice : d.choices)
      choices_.push_back(plain(choice));
  }

protected:
  score_outcome judge(std::string_view answer, std::string_view target) const override {
    const wanted_choice wanted = read_target(target);
    if (wanted.letter == 0 && wanted.text.empty())
      return unusable_target(
          "the sample's target is no choice",
          "expected a letter, `B. text`, one of the choices' texts, or a number with index_base");
    const std::string text = fold_width(answer);
    if (const char letter = wanted.letter == 0 ? '\0' : stated_letter(text); letter != 0)
      return {letter == wanted.letter ? 1.0 : 0.0, std::string(1, letter), std::nullopt};
    const std::string words = plain(answer);
    if (!choices_.empty()) {
      if (const char letter = choice_in(words); letter != 0)
        return {letter == wanted.letter ? 1.0 : 0.0, std::string(1, letter), std::nullopt};
    } else if (!wanted.text.empty() && last_words(words, wanted.text) != std::string_view::npos) {
      return {1, wanted.text, std::nullopt};
    }
    if (const char letter = wanted.letter == 0 ? '\0' : lone_letter(text); letter != 0)
      return {letter == wanted.letter ? 1.0 : 0.0, std::string(1, letter), std::nullopt};
    return {};
  }

  std::vector<std::string> right_candidates(std::string_view target) const override {
    const wanted_choice wanted = read_target(target);
    if (wanted.letter == 0)
      return {"The answer is " + std::string(target) + ".", std::string(target)};
    return {std::string("The answer is (") + wanted.letter + ").", std::string(1, wanted.letter)};
  }

  std::vector<std::string> wrong_candidates(std::string_view target) const override {
    const char right = read_target(target).letter;
    std::vector<std::string> candidates;
    for (uint32_t i = 0; i < letters_; ++i)
      if (const char letter = static_cast<char>('A' + i); letter != right)
        candidates.push_back(std::string("The answer is (") + letter + ").");
    return candidates;
  }

private:
  /// @returns the capital letter, or 0 when the task has no such choice.
  char valid(char letter) const {
    const char capital = is_lower(letter) ? static_cast<char>(letter - 32) : letter;
    return capital >= 'A' && capital < static_cast<char>('A' + letters_) ? capital : '\0';
  }

  wanted_choice read_target(std::string_view target) const {
    const std::string folded = fold_width(target);
    std::string_view text = strip(folded);
    if (const auto base = definition().index_base) {
      uint32_t number = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (error == std::errc{} && end == text.data() + text.size() && number >= *base
          && number - *base < letters_)
        return {static_cast<char>('A' + (number - *base)), {}};
    }
    const std::string words = plain(text);
    for (size_t i = 0; i < choices_.size(); ++i)
      if (choices_[i] == words)
        return {static_cast<char>('A' + i), words};
    if (!text.empty() && text.front() == '(')
      text.remove_prefix(1);
    if (text.empty() || !is_letter(text.front()))
      return {'\0', words};
    const char letter = valid(text.front());
    text.remove_prefix(1);
    const bool marked = !text.empty() && (text.front() == '.' || text.front() == ')' || text.front() == ':');
    if (letter == 0 || (!marked && !text.empty()))
      return {'\0', words};
    while (!text.empty() && (text.front() == '.' || text.front() == ')' || text.front() == ':'))
      text.remove_prefix(1);
    return {letter, plain(text)};
  }

  /// "a dog" and "I think" begin with a word, not with a choice.
  static bool is_word(std::string_view text, size_t at) {
    const std::string_view rest = text.substr(at + 1);
    if (rest.size() < 2 || rest[0] != ' ')
      return false;
    return text[at] == 'I' || text[at] == 'i' || (text[at] == 'a' && is_letter(rest[1]));
  }

  char letter_at(std::string_view text, std::string_view found) const {
    const auto at = static_cast<size_t>(found.data() - text.data());
    return is_word(text, at) ? '\0' : valid(text[at]);
  }

  /// @returns the letter in whichever group of the first or last match has one.
  char letter_of(const pattern& expression, std::string_view text,
                 match_choice which = match_choice::last) const {
    for (uint32_t group = 1; group <= expression.groups(); ++group)
      if (const auto match = expression.find(text, group, which); match && match->group)
        return letter_at(text, *match->group);
    return '\0';
  }

  char stated_letter(std::string_view text) const {
    const statement_patterns& known = patterns();
    if (const char letter = letter_of(known.answer, text); letter != 0)
      return letter;
    // Lines that begin with different letters list the choices and state none.
    const char begin = letter_of(known.opening, text, match_choice::first);
    if (begin != 0 && begin == letter_of(known.opening, text))
      return begin;
    if (const char letter = letter_of(known.option, text); letter != 0)
      return letter;
    return letter_of(known.marked, text);
  }

  /// @returns the choice whose text is the answer, or else the one whose text stands last in it.
  char choice_in(std::string_view words) const {
    size_t best_end = 0;
    size_t best_size = 0;
    char best = '\0';
    for (size_t i = 0; i < choices_.size(); ++i) {
      const std::string& choice = choices_[i];
      if (choice == words)
        return static_cast<char>('A' + i);
      const size_t at = last_words(words, choice);
      if (at == std::string_view::npos)
        continue;
      const size_t end = at + choice.size();
      // "not entailment" ends where "entailment" does: the longer one is meant.
      if (end > best_end || (end == best_end && choice.size() > best_size)) {
        best_end = end;
        best_size = choice.size();
        best = static_cast<char>('A' + i);
      }
    }
    return best;
  }

  /// @returns the last capital letter that stands alone and is not the article or the pronoun.
  char lone_letter(std::string_view text) const {
    for (size_t i = text.size(); i-- > 0;) {
      const char letter = text[i];
      if (letter < 'A' || letter > 'J' || valid(letter) == 0)
        continue;
      const auto joined = [](char c) {
        return is_word_character(static_cast<unsigned char>(c)) || c == '\'';
      };
      if ((i > 0 && joined(text[i - 1])) || (i + 1 < text.size() && joined(text[i + 1])))
        continue;
      const std::string_view rest = text.substr(i + 1);
      const bool article = letter == 'A' && rest.size() >= 2 && rest[0] == ' ' && is_lower(rest[1]);
      if (!article && !is_word(text, i))
        return letter;
    }
    return '\0';
  }

  uint32_t letters_;
  std::vector<std::string> choices_;
};

} // namespace

result<std::unique_ptr<scorer>> make_multiple_choice(const scorer_definition& definition) {
  const size_t count = definition.choices.size();
  if (count == 1 || count > 10)
    return fault{errc::invalid_argument, "expected 2 to 10 choices", "choices", "A to J are possible"};
  return std::unique_ptr<scorer>(std::make_unique<multiple_choice>(definition));
}

} // namespace assay::scoring
