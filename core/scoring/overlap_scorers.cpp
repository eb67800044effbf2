#include "core/scoring/answer_list.hpp"
#include "core/scoring/overlap_parts.hpp"
#include "core/scoring/scorer_types.hpp"
#include "core/scoring/text.hpp"
#include "core/scoring/words.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace assay::scoring {
namespace {

/// What scorers share that compare the answer with each right answer by degrees.
class overlap_scorer : public scorer {
public:
  using scorer::scorer;

protected:
  static score_outcome no_list() {
    return unusable_target("the target is not a JSON array of texts",
                           "correct the scorer's separator, or the dataset");
  }

  std::vector<std::string> right_candidates(std::string_view target) const override {
    return right_texts(definition(), target).value_or(std::vector<std::string>{});
  }
  std::vector<std::string> wrong_candidates(std::string_view target) const override {
    return {"Nothing of this is so", "xyz " + std::string(target.substr(0, target.size() / 2))};
  }

  score_outcome decided(double value) const {
    const auto& threshold = definition().threshold;
    return {threshold ? (value >= *threshold ? 1.0 : 0.0) : value, {}, std::nullopt};
  }

  /// The greatest of what @p measure says of each right answer.
  template <class Measure>
  score_outcome best(std::string_view target, Measure measure) const {
    if (definition().separator.empty() && definition().targets.empty())
      return decided(measure(target));
    const auto texts = right_texts(definition(), target);
    if (!texts)
      return no_list();
    double best = 0;
    for (const std::string& text : *texts)
      best = std::max(best, measure(std::string_view(text)));
    return decided(best);
  }
};

std::vector<uint32_t> numbered(number_table& table, const std::vector<std::string_view>& words) {
  std::vector<uint32_t> out;
  out.reserve(words.size());
  for (const std::string_view word : words)
    out.push_back(table.of(word));
  return out;
}

double f_measure(double precision, double recall, double beta) {
  const double square = beta * beta;
  const double below = square * precision + recall;
  return below > 0 ? (1 + square) * precision * recall / below : 0;
}

/// F1 of words, as SQuAD's evaluation computes it.
class token_f1 final : public overlap_scorer {
public:
  using overlap_scorer::overlap_scorer;

protected:
  score_outcome judge(std::string_view answer, std::string_view target) const override {
    std::string mine;
    const auto my_words = squad_words(answer, mine);
    return best(target, [&](std::string_view text) {
      std::string wanted;
      const auto wanted_words = squad_words(text, wanted);
      if (my_words.empty() || wanted_words.empty())
        return my_words.empty() && wanted_words.empty() ? 1.0 : 0.0;
      number_table table;
      const auto a = numbered(table, my_words);
      std::vector<uint32_t> left(table.size(), 0);
      for (const uint32_t word : a)
        ++left[word];
      size_t common = 0;
      for (const std::string_view word : wanted_words)
        if (const uint32_t number = table.of(word); number < left.size() && left[number] > 0) {
          --left[number];
          ++common;
        }
      const double same = static_cast<double>(common);
      return f_measure(same / static_cast<double>(my_words.size()),
                       same / static_cast<double>(wanted_words.size()), 1);
    });
  }
};

class rouge final : public overlap_scorer {
public:
  rouge(const scorer_definition& d, uint32_t order) : overlap_scorer(d), order_(order) {}

protected:
  score_outcome judge(std::string_view answer, std::string_view target) const override {
    const std::string mine = rouge_text(answer);
    const auto my_words = split_words(mine);
    return best(target, [&](std::string_view text) {
      const std::string wanted = rouge_text(text);
      number_table table;
      const auto a = numbered(table, my_words);
      const std::vector<std::vector<uint32_t>> b{numbered(table, split_words(wanted))};
      ngram_overlap found;
      if (order_ > 0)
        found = ngram_overlaps(a, b, order_)[order_ - 1];
      else
        found = {std::min(a.size(), sequence_limit), std::min(b[0].size(), sequence_limit),
                 common_subsequence(a, b[0])};
      if (found.common == 0)
        return 0.0;
      const auto same = static_cast<double>(found.common);
      return f_measure(same / static_cast<double>(found.candidate),
                       same / static_cast<double>(found.reference), definition().beta.value_or(1));
    });
  }

private:
  uint32_t order_; ///< 0: longest common subsequence.
};

class levenshtein final : public overlap_scorer {
public:
  using overlap_scorer::overlap_scorer;

protected:
  score_outcome judge(std::string_view answer, std::string_view target) const override {
    const auto texts = right_texts(definition(), target);
    if (!texts)
      return no_list();
    const auto mine = characters(prepared(answer));
    double similarity = 0;
    size_t distance = std::string_view::npos;
    for (const std::string& text : *texts) {
      const auto wanted = characters(prepared(text));
      const size_t edits = edit_distance(mine, wanted);
      const size_t longest = std::min(std::max(mine.size(), wanted.size()), sequence_limit);
      distance = std::min(distance, edits);
      similarity = std::max(similarity,
                            longest == 0 ? 1 : 1 - static_cast<double>(edits) / static_cast<double>(longest));
    }
    score_outcome outcome = decided(similarity);
    if (definition().variant == "distance" && definition().threshold)
      outcome.value = static_cast<double>(distance) <= *definition().threshold ? 1 : 0;
    outcome.extracted = std::to_string(distance) + " edits";
    return outcome;
  }

private:
  std::string prepared(std::string_view text) const {
    const std::string_view kept = definition().strip ? scoring::strip(text) : text;
    return definition().ignore_case ? lower_case(kept) : std::string(kept);
  }
  static std::vector<uint32_t> characters(const std::string& text) {
    std::vector<uint32_t> out;
    for (size_t i = 0; i < text.size() && out.size() < sequence_limit;) {
      const code_point c = decode(text, i);
      // Bytes that are no UTF-8 are characters of their own, beyond Unicode.
      out.push_back(c.valid ? c.value : 0x110000 + c.value);
      i += c.length;
    }
    return out;
  }
};

// -- BLEU, chrF, TER ---------------------------------------------------------------------------------------

class bleu final : public overlap_scorer {
public:
  using overlap_scorer::overlap_scorer;

protected:
  score_outcome judge(std::string_view answer, std::string_view target) const override {
    const auto texts = right_texts(definition(), target);
    if (!texts)
      return no_list();
    std::vector<std::string> lines{tokenised(answer)};
    for (const std::string& text : *texts)
      lines.push_back(tokenised(text));
    number_table table;
    const auto mine = numbered(table, split_words(lines[0]));
    std::vector<std::vector<uint32_t>> references;
    for (size_t i = 1; i < lines.size(); ++i)
      references.push_back(numbered(table, split_words(lines[i])));
    const uint32_t orders = definition().max_order;
    const auto found = ngram_overlaps(mine, references, orders);
    std::vector<double> counts(2 + 2 * orders);
    counts[0] = static_cast<double>(mine.size());
    counts[1] = static_cast<double>(closest_length(mine.size(), references));
    for (uint32_t i = 0; i < orders; ++i) {
      counts[2 + i] = static_cast<double>(found[i].common);
      counts[2 + orders + i] = static_cast<double>(found[i].candidate);
    }
    score_outcome outcome = decided(bleu_of(counts, orders, true));
    outcome.extracted = write_counts(counts);
    return outcome;
  }

private:
  std::string tokenised(std::string_view text) const {
    return definition().lowercase ? tokenise_13a(lower_case(text)) : tokenise_13a(text);
  }
  static size_t closest_length(size_t mine, const std::vector<std::vector<uint32_t>>& references) {
    size_t best = 0;
    size_t difference = std::string_view::npos;
    for (const auto& reference : references) {
      const size_t length = reference.size();
      const size_t here = length > mine ? length - mine : mine - length;
      if (here < difference || (here == difference && length < best)) {
        difference = here;
        best = length;
      }
    }
    return best;
  }
};

class chrf final : public overlap_scorer {
  using numbered_texts = std::vector<std::vector<uint32_t>>;

public:
  using overlap_scorer::overlap_scorer;

protected:
  score_outcome judge(std::string_view answer, std::string_view target) const override {
    const auto texts = right_texts(definition(), target);
    if (!texts)
      return no_list();
    const std::string mine = definition().lowercase ? lower_case(answer) : std::string(answer);
    std::vector<double> counts;
    double best = -1;
    for (const std::string& text : *texts) {
      auto here = counts_of(mine, definition().lowercase ? lower_case(text) : text);
      if (const double value = chrf_of(here, beta()); value > best) {
        best = value;
        counts = std::move(here);
      }
    }
    score_outcome outcome = decided(std::max(best, 0.0));
    outcome.extracted = write_counts(counts);
    return outcome;
  }

private:
  double beta() const { return definition().beta.value_or(2); }

  std::vector<double> counts_of(std::string_view mine, std::string_view wanted) const {
    std::vector<double> counts;
    const auto append = [&](const std::vector<ngram_overlap>& found) {
      for (const ngram_overlap& one : found) {
        counts.push_back(static_cast<double>(one.candidate));
        counts.push_back(static_cast<double>(one.reference));
        counts.push_back(static_cast<double>(one.common));
      }
    };
    const auto my_words = split_words(mine);
    const auto wanted_words = split_words(wanted);
    number_table table;
    const auto letters = characters(table, my_words);
    const numbered_texts wanted_letters{characters(table, wanted_words)};
    append(ngram_overlaps(letters, wanted_letters, definition().char_order));
    if (definition().word_order > 0) {
      const auto a = numbered(table, without_punctuation(my_words));
      const numbered_texts b{numbered(table, without_punctuation(wanted_words))};
      append(ngram_overlaps(a, b, definition().word_order));
    }
    return counts;
  }

  static std::vector<uint32_t> characters(number_table& table, const std::vector<std::string_view>& words) {
    std::vector<uint32_t> out;
    for (const std::string_view word : words)
      for (size_t i = 0; i < word.size();) {
        const size_t length = decode(word, i).length;
        out.push_back(table.of(word.substr(i, length)));
        i += length;
      }
    return out;
  }

  /// A mark at the end of a word, or else at its beginning, is a word of its own.
  static std::vector<std::string_view> without_punctuation(const std::vector<std::string_view>& words) {
    std::vector<std::string_view> out;
    for (const std::string_view word : words) {
      const auto mark = [&](size_t i) { return is_ascii_punctuation(static_cast<unsigned char>(word[i])); };
      if (decode(word, 0).length == word.size()) {
        out.push_back(word);
      } else if (mark(word.size() - 1)) {
        out.push_back(word.substr(0, word.size() - 1));
        out.push_back(word.substr(word.size() - 1));
      } else if (mark(0)) {
        out.push_back(word.substr(0, 1));
        out.push_back(word.substr(1));
      } else {
        out.push_back(word);
      }
    }
    return out;
  }
};

class ter final : public overlap_scorer {
public:
  using overlap_scorer::overlap_scorer;

protected:
  score_outcome judge(std::string_view answer, std::string_view target) const override {
    const auto texts = right_texts(definition(), target);
    if (!texts)
      return no_list();
    const std::string mine = lower_case(answer);
    const auto my_words = split_words(mine);
    uint64_t edits = ~uint64_t{0};
    uint64_t length = 0;
    for (const std::string& text : *texts) {
      const std::string wanted = lower_case(text);
      number_table table;
      const auto a = numbered(table, my_words);
      const edit_rate found = translation_edits(a, numbered(table, split_words(wanted)));
      edits = std::min(edits, found.edits);
      length += found.words;
    }
    const std::vector<double> counts{
        texts->empty() ? static_cast<double>(my_words.size()) : static_cast<double>(edits),
        static_cast<double>(length) / static_cast<double>(std::max<size_t>(texts->size(), 1))};
    score_outcome outcome = decided(std::max(0.0, 1 - ter_of(counts)));
    outcome.extracted = write_counts(counts);
    return outcome;
  }
};

std::optional<fault> check_threshold(const scorer_definition& d, double most) {
  if (d.threshold && !(*d.threshold >= 0 && *d.threshold <= most))
    return fault{errc::invalid_argument, "the threshold is out of range", "threshold",
                 most > 1 ? "0 or more edits" : "0 to 1"};
  if (d.beta && !(*d.beta > 0 && *d.beta <= 100))
    return fault{errc::invalid_argument, "expected a beta over 0, up to 100", "beta", {}};
  return std::nullopt;
}

template <class Scorer, class... Arguments>
result<std::unique_ptr<scorer>> made(const scorer_definition& d, double most, Arguments... arguments) {
  if (auto problem = check_threshold(d, most))
    return *std::move(problem);
  return std::unique_ptr<scorer>(std::make_unique<Scorer>(d, arguments...));
}

} // namespace

double bleu_of(std::span<const double> counts, uint32_t orders, bool sentence) {
  const double mine = counts[0];
  const double wanted = counts[1];
  const auto correct = counts.subspan(2, orders);
  const auto total = counts.subspan(2 + orders, orders);
  if (std::all_of(correct.begin(), correct.end(), [](double count) { return count == 0; }))
    return 0;
  const double brevity = mine >= wanted ? 1 : mine > 0 ? std::exp(1 - wanted / mine) : 0;
  double logs = 0;
  double smoothing = 1;
  uint32_t used = orders;
  for (uint32_t i = 0; i < orders; ++i) {
    if (total[i] == 0) {
      // A corpus without any n-gram of some length has no BLEU.
      if (!sentence)
        return 0;
      break;
    }
    if (sentence)
      used = i + 1;
    if (correct[i] == 0)
      smoothing *= 2;
    logs += std::log(correct[i] == 0 ? 1 / (smoothing * total[i]) : correct[i] / total[i]);
  }
  return std::min(1.0, brevity * std::exp(logs / used));
}

double chrf_of(std::span<const double> counts, double beta) {
  double precision = 0;
  double recall = 0;
  double orders = 0;
  for (size_t i = 0; i + 2 < counts.size(); i += 3)
    if (counts[i] > 0 && counts[i + 1] > 0) {
      precision += counts[i + 2] / counts[i];
      recall += counts[i + 2] / counts[i + 1];
      ++orders;
    }
  return orders == 0 ? 0 : f_measure(precision / orders, recall / orders, beta);
}

double ter_of(std::span<const double> counts) {
  if (counts[1] > 0)
    return counts[0] / counts[1];
  return counts[0] > 0 ? 1 : 0;
}

std::string write_counts(std::span<const double> counts) {
  std::string out;
  for (const double count : counts) {
    std::array<char, 32> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), count);
    out.append(out.empty() ? "" : " ").append(digits.data(), end.ptr);
  }
  return out;
}

std::vector<double> read_counts(std::string_view text) {
  std::vector<double> counts;
  for (const std::string_view word : split_words(text)) {
    double value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc{} || end != word.data() + word.size() || !std::isfinite(value) || value < 0)
      return {};
    counts.push_back(value);
  }
  return counts;
}

result<std::unique_ptr<scorer>> make_token_f1(const scorer_definition& d) { return made<token_f1>(d, 1); }

result<std::unique_ptr<scorer>> make_rouge(const scorer_definition& d) {
  if (d.variant.empty() || d.variant == "rougeL")
    return made<rouge>(d, 1, 0U);
  if (d.variant == "rouge1" || d.variant == "rouge2")
    return made<rouge>(d, 1, d.variant == "rouge1" ? 1U : 2U);
  return fault{errc::invalid_argument, "no variant of rouge is called `" + d.variant + "`", "variant",
               "known: rouge1, rouge2, rougeL"};
}

result<std::unique_ptr<scorer>> make_levenshtein(const scorer_definition& d) {
  if (!d.variant.empty() && d.variant != "similarity" && d.variant != "distance")
    return fault{errc::invalid_argument, "no variant of levenshtein is called `" + d.variant + "`", "variant",
                 "known: similarity, distance"};
  return made<levenshtein>(d, d.variant == "distance" ? 1e9 : 1);
}

result<std::unique_ptr<scorer>> make_bleu(const scorer_definition& d) {
  if (d.max_order < 1 || d.max_order > 4)
    return fault{errc::invalid_argument, "expected n-grams of at most 1 to 4 words", "max_order", {}};
  return made<bleu>(d, 1);
}

result<std::unique_ptr<scorer>> make_chrf(const scorer_definition& d) {
  if (d.char_order < 1 || d.char_order > 6)
    return fault{errc::invalid_argument, "expected n-grams of at most 1 to 6 characters", "char_order", {}};
  if (d.word_order > 2)
    return fault{errc::invalid_argument, "expected n-grams of at most 0 to 2 words", "word_order", {}};
  return made<chrf>(d, 1);
}

result<std::unique_ptr<scorer>> make_ter(const scorer_definition& d) { return made<ter>(d, 1); }

} // namespace assay::scoring
