import { useEffect, useState } from 'react';
import { followPatient, type PatientFigures } from '../api/demo';

/**
 * The figures of the simulated patient: undefined on a server that runs no demo, null while a demo's server does not
 * answer.
 */
export function useFigures(): PatientFigures | null | undefined {
  const [figures, setFigures] = useState<PatientFigures | null | undefined>(undefined);
  useEffect(() => followPatient(setFigures), []);
  return figures;
}
