#include "core/scoring/words.hpp"

#include "core/scoring/text.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <functional>
#include <utility>

namespace assay::scoring {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// What Python's str.split() takes for white space.
bool separates(uint32_t c) {
  if (c < 0x80)
    return c == ' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F);
  return c != 0x200B && c != 0xFEFF && is_white_space(c);
}

/// Whether Python's \b sees a letter, a digit or an underscore there; good for the articles' surroundings.
bool is_letter_like(uint32_t c) {
  if (c < 0x80)
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  if (c < 0xC0)
    return c == 0xAA || c == 0xB5 || c == 0xBA || c == 0xB2 || c == 0xB3 || c == 0xB9
           || (c >= 0xBC && c <= 0xBE);
  return c != 0xD7 && c != 0xF7 && !(c >= 0x2000 && c <= 0x206F) && !(c >= 0x20A0 && c <= 0x20CF)
         && !(c >= 0x2190 && c <= 0x245F) && !(c >= 0x2500 && c <= 0x2BFF) && !(c >= 0x3000 && c <= 0x3004)
         && !(c >= 0x3008 && c <= 0x3020) && !(c >= 0xFF00 && c <= 0xFF0F) && !(c >= 0xFF1A && c <= 0xFF20);
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  size_t at = text.find(from);
  if (at == std::string::npos)
    return;
  std::string out;
  out.reserve(text.size());
  size_t begin = 0;
  for (; at != std::string::npos; at = text.find(from, begin)) {
    out.append(text, begin, at - begin).append(to);
    begin = at + from.size();
  }
  text = out.append(text, begin);
}

/// Characters that 13a sets apart wherever they stand.
bool stands_alone(unsigned char c) {
  return (c >= 0x7B && c <= 0x7E) || (c >= 0x5B && c <= 0x60) || (c >= 0x20 && c <= 0x26)
         || (c >= 0x28 && c <= 0x2B) || (c >= 0x3A && c <= 0x40) || c == '/';
}

bool is_stop(char c) { return c == '.' || c == ','; }

/// Full stops and commas that no digit precedes are set apart.
void split_stops_after_words(const std::string& in, std::string& out) {
  out.resize(in.size() * 2 + 2);
  char* to = out.data();
  const size_t size = in.size();
  for (size_t i = 0; i < size; ++i) {
    *to++ = in[i];
    if (i + 1 < size && is_stop(in[i + 1]) && !is_digit(in[i])) {
      to[0] = ' ';
      to[1] = in[i + 1];
      to[2] = ' ';
      to += 3;
      ++i;
    }
  }
  out.resize(static_cast<size_t>(to - out.data()));
}

/// Those that no digit follows.
void split_stops_before_words(const std::string& in, std::string& out) {
  out.resize(in.size() * 2 + 2);
  char* to = out.data();
  const size_t size = in.size();
  for (size_t i = 0; i < size; ++i) {
    if (i + 1 < size && is_stop(in[i]) && !is_digit(in[i + 1])) {
      to[0] = ' ';
      to[1] = in[i];
      to[2] = ' ';
      to[3] = in[i + 1];
      to += 4;
      ++i;
    } else {
      *to++ = in[i];
    }
  }
  out.resize(static_cast<size_t>(to - out.data()));
}

void split_dashes_after_digits(const std::string& in, std::string& out) {
  out.clear();
  for (size_t i = 0; i < in.size(); ++i) {
    out.push_back(in[i]);
    if (i + 1 < in.size() && is_digit(in[i]) && in[i + 1] == '-') {
      out.append(" - ");
      ++i;
    }
  }
}

constexpr size_t first_size = 64;

uint64_t mixed(uint64_t x) {
  x ^= x >> 32U;
  x *= 0x9E3779B97F4A7C15ULL;
  x ^= x >> 29U;
  return x;
}

} // namespace

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  words.reserve(text.size() / 5 + 1);
  size_t begin = 0;
  const auto close = [&](size_t end) {
    if (end > begin)
      words.push_back(text.substr(begin, end - begin));
  };
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const code_point c = byte < 0x80 ? code_point{byte, 1, true} : decode(text, i);
    if (c.valid && separates(c.value)) {
      close(i);
      begin = i + c.length;
    }
    i += c.length;
  }
  close(text.size());
  return words;
}

std::string tokenise_13a(std::string_view text) {
  const bool marked = text.find_first_of("<&\n") != std::string_view::npos;
  std::string cleaned;
  if (marked) {
    cleaned = text;
    replace_all(cleaned, "<skipped>", "");
    replace_all(cleaned, "-\n", "");
    replace_all(cleaned, "\n", " ");
    replace_all(cleaned, "&quot;", "\"");
    replace_all(cleaned, "&amp;", "&");
    replace_all(cleaned, "&lt;", "<");
    replace_all(cleaned, "&gt;", ">");
    text = cleaned;
  }
  static const std::array<bool, 256> apart = [] {
    std::array<bool, 256> out{};
    for (size_t c = 0; c < out.size(); ++c)
      out[c] = stands_alone(static_cast<unsigned char>(c));
    return out;
  }();
  std::string line(text.size() * 3 + 2, ' ');
  char* to = line.data() + 1;
  for (const char c : text) {
    // A blank stays one: what surrounds it changes nothing.
    const bool alone = c != ' ' && apart[static_cast<unsigned char>(c)];
    to += alone ? 1 : 0;
    *to++ = c;
    to += alone ? 1 : 0;
  }
  line.resize(static_cast<size_t>(to - line.data()) + 1);
  std::string other;
  split_stops_after_words(line, other);
  split_stops_before_words(other, line);
  if (line.find('-') == std::string::npos)
    return line;
  split_dashes_after_digits(line, other);
  return other;
}

std::string squad_text(std::string_view text) {
  std::string plain = lower_case(text);
  std::erase_if(plain, [](char c) { return is_ascii_punctuation(static_cast<unsigned char>(c)); });
  std::string out;
  out.reserve(plain.size());
  const std::string_view view = plain;
  bool inside = false; // a word that began before i
  for (size_t i = 0; i < view.size();) {
    const auto byte = static_cast<unsigned char>(view[i]);
    if (!inside && (byte == 'a' || byte == 't')) {
      size_t length = 0;
      for (const std::string_view article : {"the", "an", "a"})
        if (length == 0 && view.substr(i).starts_with(article)) {
          const size_t end = i + article.size();
          if (end == view.size() || !is_letter_like(decode(view, end).value) || !decode(view, end).valid)
            length = article.size();
        }
      if (length > 0) {
        out.push_back(' ');
        i += length;
        continue;
      }
    }
    const code_point c = byte < 0x80 ? code_point{byte, 1, true} : decode(view, i);
    inside = c.valid && is_letter_like(c.value);
    out.append(view.substr(i, c.length));
    i += c.length;
  }
  return out;
}

std::vector<std::string_view> squad_words(std::string_view text, std::string& held) {
  // ASCII without control characters: articles are words of their own once the marks are gone.
  static const std::array<char, 0x80> kept = [] {
    std::array<char, 0x80> out{};
    for (size_t c = 0; c < out.size(); ++c) {
      const bool blank = c == ' ' || (c >= 0x09 && c <= 0x0D);
      if (blank)
        out[c] = ' ';
      else if (!is_ascii_punctuation(static_cast<uint32_t>(c)) && c > ' ' && c < 0x7F)
        out[c] = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    return out;
  }();
  held.resize(text.size());
  size_t size = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x7F || (byte < ' ' && kept[byte] != ' ')) {
      held = squad_text(text);
      return split_words(held);
    }
    held[size] = kept[byte];
    size += kept[byte] != 0 ? 1 : 0;
  }
  std::vector<std::string_view> words;
  words.reserve(size / 4 + 1);
  const std::string_view all(held.data(), size);
  for (size_t at = 0; at < size;) {
    const size_t end = std::min(all.find(' ', at), size);
    const std::string_view word = all.substr(at, end - at);
    if (!word.empty() && word != "the" && word != "a" && word != "an")
      words.push_back(word);
    at = end + 1;
  }
  return words;
}

std::string rouge_text(std::string_view text) {
  std::string out = lower_case(text);
  for (char& c : out)
    if (!is_digit(c) && !(c >= 'a' && c <= 'z'))
      c = ' ';
  return out;
}

number_table::number_table() : entries_(first_size) {}

void number_table::clear() {
  count_ = 0;
  if (entries_.size() > (size_t{1} << 16U) || ++round_ == 0) {
    entries_.assign(first_size, entry{});
    entries_.shrink_to_fit();
    round_ = 1;
  }
}

void number_table::grow() {
  std::vector<entry> old(entries_.size() * 2);
  old.swap(entries_);
  const size_t mask = entries_.size() - 1;
  for (const entry& one : old) {
    if (one.round != round_)
      continue;
    size_t at = mixed(one.key) & mask;
    while (entries_[at].round == round_)
      at = (at + 1) & mask;
    entries_[at] = one;
  }
}

uint32_t number_table::put(uint64_t key, std::string_view text) {
  if (count_ * 2 >= entries_.size())
    grow();
  const size_t mask = entries_.size() - 1;
  for (size_t at = mixed(key) & mask;; at = (at + 1) & mask) {
    entry& one = entries_[at];
    if (one.round != round_) {
      one = {key, text, static_cast<uint32_t>(count_), round_};
      return static_cast<uint32_t>(count_++);
    }
    if (one.key == key && one.text == text)
      return one.number;
  }
}

uint32_t number_table::of(std::string_view text) {
  // Pairs have no text, so texts are told from them by never being empty here.
  return put(std::hash<std::string_view>{}(text), text.empty() ? std::string_view("\0", 1) : text);
}

uint32_t number_table::of(uint32_t first, uint32_t second) {
  return put(uint64_t{first} << 32U | second, {});
}

std::vector<ngram_overlap> ngram_overlaps(std::span<const uint32_t> candidate,
                                          std::span<const std::vector<uint32_t>> references,
                                          uint32_t orders) {
  struct tally {
    uint32_t candidate = 0;
    uint32_t reference = 0; ///< The highest of any.
    uint32_t here = 0;      ///< In the reference that is being read.
  };
  std::vector<ngram_overlap> out(orders);
  // An n-gram is the number of the (n-1)-gram before its last word, and that word.
  std::vector<uint32_t> mine(candidate.begin(), candidate.end());
  std::vector<std::vector<uint32_t>> theirs(references.begin(), references.end());
  std::vector<tally> counts;
  std::vector<uint32_t> touched;
  number_table grams;
  for (uint32_t order = 1; order <= orders; ++order) {
    counts.clear();
    const auto count_of = [&](uint32_t gram) -> tally& {
      if (gram >= counts.size())
        counts.resize(std::max<size_t>(gram + size_t{1}, counts.size() * 2));
      return counts[gram];
    };
    if (order > 1) {
      grams.clear();
      const auto lengthen = [&](std::vector<uint32_t>& ids, std::span<const uint32_t> words) {
        const size_t count = words.size() >= order ? words.size() - order + 1 : 0;
        for (size_t i = 0; i < count; ++i)
          ids[i] = grams.of(ids[i], words[i + order - 1]);
        ids.resize(count);
      };
      lengthen(mine, candidate);
      for (size_t i = 0; i < theirs.size(); ++i)
        lengthen(theirs[i], references[i]);
    }
    for (const uint32_t gram : mine)
      ++count_of(gram).candidate;
    for (const auto& reference : theirs) {
      touched.clear();
      for (const uint32_t gram : reference) {
        tally& one = count_of(gram);
        if (one.here++ == 0)
          touched.push_back(gram);
      }
      for (const uint32_t gram : touched) {
        tally& one = counts[gram];
        one.reference = std::max(one.reference, one.here);
        one.here = 0;
      }
    }
    ngram_overlap& overlap = out[order - 1];
    overlap.candidate = mine.size();
    overlap.reference = theirs.empty() ? 0 : theirs.front().size();
    for (const tally& one : counts)
      overlap.common += std::min(one.candidate, one.reference);
  }
  return out;
}

namespace {

/// For each symbol of a sequence, one bit for each place where it stands.
class place_bits {
public:
  explicit place_bits(std::span<const uint32_t> sequence) : blocks_((sequence.size() + 63) / 64) {
    for (size_t i = 0; i < sequence.size(); ++i) {
      const uint32_t symbol = symbols_.of(sequence[i], 0);
      if (bits_.size() <= symbol)
        bits_.resize(symbol + 1, std::vector<uint64_t>(blocks_, 0));
      bits_[symbol][i / 64] |= uint64_t{1} << (i % 64);
    }
    absent_.assign(blocks_, 0);
  }

  const std::vector<uint64_t>& of(uint32_t value) {
    const uint32_t symbol = symbols_.of(value, 0);
    return symbol < bits_.size() ? bits_[symbol] : absent_;
  }
  size_t blocks() const { return blocks_; }

private:
  size_t blocks_;
  number_table symbols_;
  std::vector<std::vector<uint64_t>> bits_;
  std::vector<uint64_t> absent_;
};

} // namespace

// Bit-parallel, after Hyyrö (2004): a zero bit of the vector is a step of the subsequence's length.
size_t common_subsequence(std::span<const uint32_t> a, std::span<const uint32_t> b) {
  a = a.first(std::min(a.size(), sequence_limit));
  b = b.first(std::min(b.size(), sequence_limit));
  if (a.empty() || b.empty())
    return 0;
  place_bits places(a);
  std::vector<uint64_t> steps(places.blocks(), ~uint64_t{0});
  for (const uint32_t symbol : b) {
    const auto& here = places.of(symbol);
    uint64_t carry = 0;
    for (size_t i = 0; i < steps.size(); ++i) {
      const uint64_t common = steps[i] & here[i];
      const uint64_t sum = steps[i] + common;
      const uint64_t with_carry = sum + carry;
      carry = (sum < common || with_carry < sum) ? 1 : 0;
      steps[i] = with_carry | (steps[i] & ~common);
    }
  }
  size_t length = 0;
  for (size_t i = 0; i < a.size(); ++i)
    length += (steps[i / 64] >> (i % 64) & 1U) == 0 ? 1 : 0;
  return length;
}

// Bit-parallel in blocks, after Myers (1999) and Hyyrö (2003).
size_t edit_distance(std::span<const uint32_t> a, std::span<const uint32_t> b) {
  a = a.first(std::min(a.size(), sequence_limit));
  b = b.first(std::min(b.size(), sequence_limit));
  if (a.empty() || b.empty())
    return a.size() + b.size();
  place_bits places(a);
  std::vector<uint64_t> up(places.blocks(), ~uint64_t{0});
  std::vector<uint64_t> down(places.blocks(), 0);
  const uint64_t last_bit = uint64_t{1} << ((a.size() - 1) % 64);
  size_t distance = a.size();
  for (const uint32_t symbol : b) {
    const auto& here = places.of(symbol);
    uint64_t plus = 1; // the row above the first one grows with every symbol
    uint64_t minus = 0;
    for (size_t i = 0; i < up.size(); ++i) {
      const uint64_t vertical = here[i] | down[i];
      const uint64_t equal = here[i] | minus;
      const uint64_t horizontal = (((equal & up[i]) + up[i]) ^ up[i]) | equal;
      uint64_t more = down[i] | ~(horizontal | up[i]);
      uint64_t less = up[i] & horizontal;
      if (i + 1 == up.size()) {
        distance += (more & last_bit) != 0 ? 1 : 0;
        distance -= (less & last_bit) != 0 ? 1 : 0;
      }
      const uint64_t next_plus = more >> 63U;
      const uint64_t next_minus = less >> 63U;
      more = more << 1U | plus;
      less = less << 1U | minus;
      up[i] = less | ~(vertical | more);
      down[i] = more & vertical;
      plus = next_plus;
      minus = next_minus;
    }
  }
  return distance;
}

} // namespace assay::scoring
