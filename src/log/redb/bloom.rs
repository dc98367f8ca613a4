//! A Bloom filter: says "not in this segment" without opening it.

const HASHES: u64 = 6;
const BITS_AN_ITEM: usize = 10;

/// A set that may claim to hold what it does not (about one time in a hundred), never the other way round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bloom {
    words: Vec<u64>,
}

impl Bloom {
    /// An empty set for about `items` items.
    pub(super) fn for_items(items: usize) -> Self {
        Self { words: vec![0; (items * BITS_AN_ITEM).div_ceil(64).next_power_of_two()] }
    }

    /// The set that may hold everything.
    pub(super) fn of_everything() -> Self {
        Self { words: vec![u64::MAX] }
    }

    pub(super) fn insert(&mut self, item: u64) {
        for bit in self.bits(item) {
            self.words[bit / 64] |= 1 << (bit % 64);
        }
    }

    pub(super) fn may_hold(&self, item: u64) -> bool {
        self.bits(item).all(|bit| self.words[bit / 64] & (1 << (bit % 64)) != 0)
    }

    fn bits(&self, item: u64) -> impl Iterator<Item = usize> + use<> {
        let mask = self.words.len() as u64 * 64 - 1;
        // Items are hashes already, but short ones: spread them, then step by an odd stride.
        let spread = item.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let stride = (spread >> 32) | 1;
        (0..HASHES).map(move |round| {
            let bit = spread.rotate_left(17).wrapping_add(round.wrapping_mul(stride)) & mask;
            usize::try_from(bit).unwrap_or(0)
        })
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        [&crc32fast::hash(&bytes).to_le_bytes()[..], &bytes].concat()
    }

    /// `None` when the bytes are not what was written.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (checksum, bytes) = bytes.split_first_chunk::<4>()?;
        let words: Vec<u64> = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let whole = words.len().is_power_of_two() && bytes.len().is_multiple_of(8);
        (whole && crc32fast::hash(bytes).to_le_bytes() == *checksum).then_some(Self { words })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_was_put_in_and_little_else() {
        let mut bloom = Bloom::for_items(10_000);
        (0..10_000_u64).for_each(|item| bloom.insert(item));
        assert!((0..10_000).all(|item| bloom.may_hold(item)));
        let wrong = (10_000..110_000_u64).filter(|item| bloom.may_hold(*item)).count();
        assert!(wrong < 5000, "{wrong} of 100,000");
        assert_eq!(Bloom::from_bytes(&bloom.to_bytes()), Some(bloom));
    }
}
