//! The order in which CPython walks through a small set of integers.
//!
//! PyP2P collects the distances between ports in a `set` and takes the first that fits, so where several fit,
//! its judgement depends on the order in which the interpreter's hash table holds them. To judge alike we
//! need that order: it is the order of the slots of CPython's open-addressing table (3.7 to 3.13), modelled
//! here:
//!
//! * the hash of a small integer is itself as a 64-bit word, of -1 it is that of -2;
//! * a table starts with 8 slots; as soon as five times the entries reach three times the highest slot
//!   number, it is rebuilt, in slot order, with the first power of two above four times the entries;
//! * a key goes to slot `hash mod size`; if that is taken, to the nine following slots in turn (only where
//!   all nine lie inside the table), then the search jumps to `5 * slot + 1 + perturb`, `perturb` being the
//!   hash shifted right by another five bits at every jump.

/// First size of a table, in slots.
const FIRST_SIZE: usize = 8;
/// Slots tried one after the other before the search jumps.
const LINEAR_PROBES: usize = 9;
/// Bits of the hash that each jump uses up.
const PERTURB_SHIFT: u32 = 5;

/// The different values of `keys`, in the order of `list(set(keys))` under CPython.
pub(super) fn iteration_order(keys: impl IntoIterator<Item = i32>) -> Vec<i32> {
    let mut table = vec![None; FIRST_SIZE];
    let mut entries = 0;
    for key in keys {
        let slot = find_slot(&table, key);
        if slot.is_taken {
            continue;
        }
        put(&mut table, slot.index, key);
        entries += 1;
        if entries * 5 >= (table.len() - 1) * 3 {
            table = rebuild(&table, (entries * 4 + 1).next_power_of_two().max(FIRST_SIZE));
        }
    }
    table.into_iter().flatten().collect()
}

/// Where the search for a key ended: at the key itself, or at the free slot it belongs into.
struct Slot {
    index: usize,
    is_taken: bool,
}

/// The table is never full, so the search ends.
fn find_slot(table: &[Option<i32>], key: i32) -> Slot {
    let mask = table.len() - 1;
    let mut perturb = hash(key);
    let mut first = perturb as usize & mask;
    loop {
        let more = if first + LINEAR_PROBES <= mask { LINEAR_PROBES } else { 0 };
        for index in first..=first + more {
            match table.get(index).copied().flatten() {
                Some(other) if other != key => {}
                found => return Slot { index, is_taken: found.is_some() },
            }
        }
        perturb >>= PERTURB_SHIFT;
        first = (first as u64).wrapping_mul(5).wrapping_add(1).wrapping_add(perturb) as usize & mask;
    }
}

fn put(table: &mut [Option<i32>], index: usize, key: i32) {
    if let Some(slot) = table.get_mut(index) {
        *slot = Some(key);
    }
}

fn rebuild(old: &[Option<i32>], size: usize) -> Vec<Option<i32>> {
    let mut table = vec![None; size];
    for &key in old.iter().flatten() {
        let slot = find_slot(&table, key);
        put(&mut table, slot.index, key);
    }
    table
}

/// -1 is CPython's mark for "no hash", so the hash of -1 is moved out of the way.
fn hash(key: i32) -> u64 {
    i64::from(if key == -1 { -2 } else { key }) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `list(set(keys))` as CPython 3.11.7 answered.
    #[test]
    fn as_cpython_answered() {
        for (keys, order) in [
            (&[-1, -2][..], &[-1, -2][..]),
            (&[-2, -1][..], &[-2, -1][..]),
            (&[1, 0][..], &[0, 1][..]),
            (&[8, 0, 16, -8][..], &[8, 0, 16, -8][..]),
            (&[-1, -2, -3, 7, 15][..], &[7, 15, -2, -3, -1][..]),
            (&[100, 200, 0][..], &[200, 0, 100][..]),
            (&[0, 8, 16, 24, 32, 40][..], &[0, 32, 8, 40, 16, 24][..]),
            (&[-50, 400, -500][..], &[400, -500, -50][..]),
            (&[65535, -65535, 1, -1][..], &[-65535, -1, 1, 65535][..]),
            (&[-23090, 58703, -45763][..], &[-45763, -23090, 58703][..]),
            (&[-13785, 19784, -59207, -56041][..], &[19784, -59207, -56041, -13785][..]),
            (&[42111, 4704, -53198, -17604][..], &[4704, -53198, -17604, 42111][..]),
            (&[10852, -57933, 53701, 975][..], &[-57933, 10852, 53701, 975][..]),
            (&[-37395, -60621, -54270, -8697, -10725][..], &[-54270, -8697, -37395, -60621, -10725][..]),
            (
                &[-56379, -33991, -53646, 6691, -9893, -57788][..],
                &[6691, -57788, -56379, -53646, -33991, -9893][..],
            ),
            (
                &[42842, 8580, -49309, 58649, -36275, 17122, 16703, 10879, 58683][..],
                &[17122, -49309, 8580, -36275, 10879, 58649, 42842, 58683, 16703][..],
            ),
            (&[-6, 3, 3, 0, -6, -3, -6, 2, -4, -2, 0, -4][..], &[0, 2, 3, -6, -4, -3, -2][..]),
            (
                &[16, -40, 24, -16, 16, 32, -32, -40, 24, 24, 32, -24][..],
                &[32, -32, -24, 16, -16, -40, 24][..],
            ),
            // Collisions, with and without room for the nine slots that follow.
            (
                &[
                    -448, -416, -384, -352, -320, -288, -256, -224, -192, -160, -128, -96, -64, -32, 0, 32,
                    64, 96,
                ][..],
                &[
                    -448, -416, -384, -352, -320, -288, -256, -224, -192, -160, 0, 32, 64, 96, -32, -128,
                    -96, -64,
                ][..],
            ),
            (
                &[
                    -1177, 12359, 2343, 12071, 14279, 9575, -761, -1209, 647, 12007, 3239, -9785, -9945,
                    10343, 775, -409, 4615, 4103,
                ][..],
                &[
                    4103, 14279, 12071, 2343, 12359, -1177, 9575, -761, -1209, 647, 12007, 3239, -9785,
                    -9945, 10343, 4615, -409, 775,
                ][..],
            ),
            (
                &[23, 55, 87, 119, 151, 183, 215, 247, 279, 311, 343, 375][..],
                &[119, 55, 87, 151, 23, 183, 215, 247, 279, 311, 343, 375][..],
            ),
            (
                &[
                    -7020, -13036, 10068, 660, -9900, -13292, 16084, -16492, 6740, 10452, -8876, -18220,
                    15444, -15084, -15340, -16876, -6764, -3372, -17260, 11220,
                ][..],
                &[
                    -15340, -17260, -15084, -6764, 660, -7020, -13036, -13292, -16492, -16876, -3372, 15444,
                    -18220, -8876, -9900, 10068, 16084, 6740, 10452, 11220,
                ][..],
            ),
            (
                &[22, 54, 86, 118, 150, 182, 214, 246, 278, 310, 342, 374][..],
                &[374, 342, 54, 86, 118, 150, 22, 182, 214, 246, 278, 310][..],
            ),
        ] {
            assert_eq!(iteration_order(keys.iter().copied()), order, "{keys:?}");
        }
    }

    proptest! {
        #[test]
        fn each_key_once(keys in prop::collection::vec(-70_000..70_000i32, 0..200)) {
            let mut got = iteration_order(keys.iter().copied());
            got.sort_unstable();
            let mut want = keys;
            want.sort_unstable();
            want.dedup();
            prop_assert_eq!(got, want);
        }
    }
}
