"""Inspectors: whatever turns pairs into verdicts. Heavy ones are imported only when they are made."""

from mmrad.inspectors.base import InspectionSettings, Inspector, failed_verdict, verdict_from_text

__all__ = ["InspectionSettings", "Inspector", "failed_verdict", "verdict_from_text"]
